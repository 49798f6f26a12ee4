# What `make demo PRESET=aircall` shows. scripts/demo.sh says what each first word means.
tenant  demo-aircall
account policy/preset/demo-aircall.yaml

say Recordings. Everybody hears his own. Anna supervises Vertrieb, her own team; Bert works there, Eva does not.
ask allow RELATION    own        bert listen recording:r1 employee=bert number=main
ask deny  OUT_OF_REACH own       bert listen recording:r2 employee=clara number=main
ask allow RELATION    supervised anna listen recording:r1 employee=bert number=main
ask deny  OUT_OF_REACH supervised anna listen recording:r3 employee=eva number=main

say Dieter's limit is a number. A missed call has no employee: the number alone decides. Gisela's limit is a team that she is not in.
ask allow RELATION    supervised dieter listen recording:r4 employee=bert number=service
ask deny  OUT_OF_REACH supervised dieter listen recording:r3 employee=eva number=main
ask allow RELATION    supervised dieter view analytics:a1 employee=null number=service
ask deny  OUT_OF_REACH supervised gisela listen recording:r1 employee=bert number=main
ask allow RELATION    supervised ines listen recording:r1 employee=bert number=main
ask deny  LEVEL_EMPTY none       ines delete recording:r1 employee=bert number=main
ask allow ANY         any        heiko delete recording:r1 employee=bert number=main

say The owner stands beside the others, not above them.
ask allow ANY         any        martin edit plan:main
ask deny  LEVEL_EMPTY none       martin manage number:main
ask deny  OUT_OF_REACH own       martin listen recording:r1 employee=bert number=main
ask deny  REQUIREMENT -          heiko assign role:owner role=owner
ask allow NO_LEVEL    -          martin assign role:owner role=owner
ask allow NO_LEVEL    -          petra assign role:admin role=admin

say Calls. Otto is an agent, as everybody is. Forwarding to the outside binds administrators, an emergency number passes always.
ask allow ANY         any        otto place call:c1 destination=+493023125999
ask deny  GATE        -          otto place call:c2 destination=+493023125999 line=+493023125100
ask deny  GATE        -          heiko forward call:c3 destination=+491713920002
ask allow ANY         any        anna forward call:c4 destination=+491713920001
ask deny  GATE        -          heiko place call:c5 destination=09001234567
ask allow EMERGENCY   -          karl place call:c6 destination=112

say Programs. Both the program and the user for whom it acts must be allowed.
ask allow RELATION    supervised anna listen recording:r1 employee=bert number=main --as app:crm
ask deny  ACTOR_LEVEL_EMPTY none heiko delete recording:r1 employee=bert number=main --as app:crm

say Now Gisela joins Vertrieb, and Bert becomes a supervisor without a limit. The next answers are different.
apply {tenant: demo-aircall, groups: {vertrieb: {known: true, members: [gisela]}}, assignments: [{role: supervisor, to: "user:bert"}]}
ask allow RELATION    supervised gisela listen recording:r1 employee=bert number=main
ask allow RELATION    supervised bert listen recording:r3 employee=eva number=main

grpc klinke.v1.DecisionService/Check {"tenant":"demo-aircall","subject":{"type":"user","id":"anna"},"action":{"name":"listen"},"resource":{"type":"recording","id":"r1","properties":{"employee":"bert","number":"main"}}}
expect "decision":true,"context":{"reason":"REASON_RELATION","level":"supervised","relation":"supervised",
grpc klinke.v1.DecisionService/Check {"tenant":"demo-aircall","subject":{"type":"user","id":"anna"},"action":{"name":"listen"},"resource":{"type":"recording","id":"r3","properties":{"employee":"eva","number":"main"}}}
expect "decision":false,"context":{"reason":"REASON_OUT_OF_REACH","level":"supervised",
grpc klinke.v1.DirectoryService/Read {"tenant":"demo-aircall","kind":"RECORD_KIND_LIMIT","page_size":1}
expect {"limit":{"name":"teams","holder":"user:anna","value":"vertrieb"}
