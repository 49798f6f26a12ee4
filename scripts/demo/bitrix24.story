# What `make demo PRESET=bitrix24` shows. scripts/demo.sh says what each first word means.
tenant  demo
account policy/preset/demo.yaml

say Recordings. Anna leads Vertrieb, where Bert works. Dieter leads Kundendienst, but the folder of recordings is closed to him.
ask allow RELATION    department  anna listen recording:r1 employee=bert
ask deny  REQUIREMENT -           dieter listen recording:r2 employee=eva
ask deny  OUT_OF_REACH department anna view call_detail:r2 employee=eva
ask allow OVERRIDE    any         petra modify recording:r1 employee=bert

say Calls. Otto belongs to no department. Nobody calls premium numbers, an emergency number passes for everybody.
ask allow ANY         any         bert place call:c1 destination=+493023125999
ask deny  LEVEL_EMPTY none        otto place call:c2 destination=+493023125999
ask allow EMERGENCY   -           otto place call:c3 destination=112
ask deny  GATE        -           petra place call:c4 destination=09001234567

say Programs. Both the program and the user for whom it acts must be allowed.
ask allow RELATION    department  anna listen recording:r1 employee=bert --as app:crm
ask deny  ACTOR_LEVEL_EMPTY none  bert place call:c1 destination=+493023125999 --as app:dialer

say A question about the type: may he at all? It says which buttons to show.
ask allow RELATION    own         bert view call_detail:*
ask deny  LEVEL_EMPTY none        bert modify balance:*

say Now the role manager changes: who has no other role calls the CRM's contacts only. The next answers are different.
apply {tenant: demo, roles: {manager: {known: true, grants: [call.place@crm]}}}
ask deny  OUT_OF_REACH crm        bert place call:c1 destination=+493023125999
ask allow RELATION    crm         bert place call:c5 destination=02214710123
ask allow EMERGENCY   -           bert place call:c6 destination=112

grpc klinke.v1.DecisionService/Check {"tenant":"demo","subject":{"type":"user","id":"anna"},"action":{"name":"listen"},"resource":{"type":"recording","id":"r","properties":{"employee":"bert"}}}
expect "decision":true,"context":{"reason":"REASON_RELATION","level":"department","relation":"department",
grpc klinke.v1.DecisionService/Check {"tenant":"demo","subject":{"type":"user","id":"bert"},"action":{"name":"place"},"resource":{"type":"call","id":"c1","properties":{"destination":"+493023125999"}}}
expect "decision":false,"context":{"reason":"REASON_OUT_OF_REACH","level":"crm",
grpc klinke.v1.DirectoryService/Read {"tenant":"demo","kind":"RECORD_KIND_DEPARTMENT_MEMBER","page_size":3}
expect {"departmentMember":{"department":"firma","subject":"user:martin"
