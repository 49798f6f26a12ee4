# What `make demo PRESET=whatsapp` shows. scripts/demo.sh says what each first word means.
tenant  demo-whatsapp
account policy/preset/demo-whatsapp.yaml

say Agents write to the customers whom they were assigned. Nobody was assigned to a2.
ask allow RELATION    assigned bert send message:m1 assigned=bert kind=text window_open=true
ask deny  OUT_OF_REACH assigned bert send message:m1 assigned=clara kind=text window_open=true
ask deny  OUT_OF_REACH assigned bert view conversation:a2 assigned=null
ask allow ANY         any      petra view conversation:a2 assigned=null

say The platform's rules bind administrators: approved templates only, and free text only for 24 hours after the customer wrote.
ask allow RELATION    assigned bert send message:m1 assigned=bert template=t1 template_state=approved window_open=false
ask deny  GATE        -        bert send message:m1 assigned=bert template=t1 template_state=paused window_open=true
ask deny  GATE        -        petra send message:m1 assigned=bert kind=text window_open=false
ask deny  GATE        -        petra send template:t1 state=pending assigned=bert

say Clara may send one category by one number, and see dashboards too. Felix writes text, nothing else. Anna runs campaigns, and approves no templates.
ask allow RELATION    assigned clara send template:t1 state=approved category=utility number=berlin assigned=clara
ask deny  GATE        -        clara send template:t1 state=approved category=marketing number=berlin assigned=clara
ask allow ANY         any      clara view analytics:a1
ask allow RELATION    assigned felix send message:m1 assigned=felix kind=text window_open=true
ask deny  LEVEL_EMPTY none     felix send message:m1 assigned=felix kind=image window_open=true
ask allow ANY         any      anna send message:m1 assigned=null kind=image template=t1 template_state=approved
ask deny  LEVEL_EMPTY none     anna approve template:t1

say Support escalates to administrators and superiors. Dieter is Tim's, not Eva's.
ask allow ANY         any      eva escalate issue:i1 target=petra
ask deny  REQUIREMENT -        eva escalate issue:i1 target=dieter
ask allow ANY         any      tim escalate issue:i1 target=dieter

say API keys are for developers, with a second factor, and not for support.
ask deny  GATE        -        heiko read apikey:k1
ask allow ANY         any      heiko read apikey:k1 --context mfa=true
ask deny  LEVEL_EMPTY none     eva read apikey:k1 --context mfa=true
ask deny  LEVEL_EMPTY none     eva manage billing:main

say Tokens. What acts for a user must carry the matching permission of the platform.
ask allow RELATION    assigned bert send message:m1 assigned=bert kind=text window_open=true --as app:versand
ask deny  ACTOR_LEVEL_EMPTY none bert view conversation:a1 assigned=bert --as app:versand
ask deny  ACTOR_LEVEL_EMPTY none bert send message:m1 assigned=bert kind=text window_open=true --as app:verwalter
ask allow ANY         any      petra create template:t2 --as app:verwalter

say Who has no role has no right, and who left has lost it. Calls need no role; an emergency number passes for everybody.
ask deny  LEVEL_EMPTY none     otto use bot:b1
ask deny  SUBJECT_INACTIVE -   karl view conversation:a1 assigned=karl
ask allow NO_LEVEL    -        otto place call:c1 destination=+493023125999
ask allow EMERGENCY   -        karl place call:c2 destination=112

say Now the second factor is required for everything. The next answers are different.
apply {tenant: demo-whatsapp, settings: {require_mfa: true}}
ask deny  GATE        -        petra view conversation:a2 assigned=null
ask allow ANY         any      petra view conversation:a2 assigned=null --context mfa=true

grpc klinke.v1.DecisionService/Check {"tenant":"demo-whatsapp","subject":{"type":"user","id":"bert"},"action":{"name":"send"},"resource":{"type":"message","id":"m1","properties":{"assigned":"bert","kind":"text","window_open":true}},"context":{"mfa":true}}
expect "decision":true,"context":{"reason":"REASON_RELATION","level":"assigned","relation":"assigned",
grpc klinke.v1.DecisionService/Check {"tenant":"demo-whatsapp","subject":{"type":"user","id":"petra"},"action":{"name":"send"},"resource":{"type":"message","id":"m1","properties":{"assigned":"bert","kind":"text","window_open":false}},"context":{"mfa":true}}
expect "decision":false,"context":{"reason":"REASON_GATE",
grpc klinke.v1.DirectoryService/Read {"tenant":"demo-whatsapp","kind":"RECORD_KIND_SETTING","page_size":1}
expect {"setting":{"name":"require_mfa","value":"true"}
