# What `make demo PRESET=crmnow` shows. scripts/demo.sh says what each first word means.
tenant  demo-crmnow
account policy/preset/demo-crmnow.yaml

say Whose it is. Accounts are private. Anna heads Vertrieb, where Bert and Clara work. Tim, a trainee, stands below them.
ask allow RELATION    yes  bert view account:a1 owner=bert
ask allow RELATION    yes  anna view account:a1 owner=tim
ask deny  OUT_OF_REACH yes clara view account:a1 owner=bert
ask deny  LEVEL_EMPTY no   bert delete account:a1 owner=bert
ask allow OVERRIDE    yes  petra delete account:a1 owner=bert

say Groups. The trade fair's records belong to whoever is in the group, or in one inside it. Superiors do not inherit them.
ask allow RELATION    yes  bert edit account:a2 owner=group:messe
ask allow RELATION    yes  eva edit account:a2 owner=group:messe
ask deny  OUT_OF_REACH yes anna edit account:a2 owner=group:messe

say Sharing rules. What is Vertrieb's, Kundendienst may read: accounts, their contacts, and the potentials of an account.
ask allow RELATION    yes  eva view account:a1 owner=bert
ask deny  OUT_OF_REACH yes eva edit account:a1 owner=bert
ask allow RELATION    yes  dieter view contact:c1 owner=clara
ask deny  OUT_OF_REACH yes eva view potential:p1 owner=martin
ask allow RELATION    yes  eva view potential:p1 owner=martin parent={"type":"account","owner":"bert"}

say View all. Ines may see every record, also where her profile has the module off: then there is no menu entry.
ask allow OVERRIDE    yes  ines view account:a1 owner=bert
ask deny  REQUIREMENT -    ines navigate account:*
ask deny  REQUIREMENT -    ines edit account:a1 owner=bert

say Fields: hidden by the profile, shown but not to be written, hidden from the whole organisation.
ask deny  LEVEL_EMPTY no   bert read account.margin:a1
ask allow ANY         yes  anna read account.margin:a1
ask deny  LEVEL_EMPTY no   bert write account.rating:a1
ask deny  REQUIREMENT -    anna read account.siccode:a1

say Merging asks for the tool, editing all records, and deleting those that go.
ask allow NO_LEVEL    -    anna merge account:a1 owner=bert merged=[{"id":"a2","owner":"clara"}]
ask deny  REQUIREMENT -    bert merge account:a1 owner=bert merged=[{"id":"a2","owner":"bert"}]

say A module that is switched off, and the administration.
ask deny  GATE        -    petra view faq:f1
ask allow OVERRIDE    yes  petra edit settings:*
ask deny  REQUIREMENT -    martin edit settings:*

say Calls. Otto has no role: he may call, but nobody calls premium numbers. An emergency number passes for everybody.
ask allow NO_LEVEL    -    otto place call:k1 destination=+493023125999
ask deny  GATE        -    petra place call:k2 destination=09001234567
ask allow EMERGENCY   -    otto place call:k3 destination=112

say Now accounts become public, for reading. The next answers are different.
apply {tenant: demo-crmnow, settings: {sharing_default: {account: read_only}}}
ask allow RELATION    yes  clara view account:a1 owner=bert
ask deny  OUT_OF_REACH yes clara edit account:a1 owner=bert
ask deny  OUT_OF_REACH yes clara view contact:c1 owner=bert

grpc klinke.v1.DecisionService/Check {"tenant":"demo-crmnow","subject":{"type":"user","id":"eva"},"action":{"name":"view"},"resource":{"type":"account","id":"a1","properties":{"owner":"bert"}}}
expect "decision":true,"context":{"reason":"REASON_RELATION","level":"yes","relation":"open_read",
grpc klinke.v1.DecisionService/Check {"tenant":"demo-crmnow","subject":{"type":"user","id":"bert"},"action":{"name":"read","properties":{"field":"margin"}},"resource":{"type":"account","id":"a1"}}
expect "decision":false,"context":{"reason":"REASON_LEVEL_EMPTY","level":"no",
grpc klinke.v1.DirectoryService/Read {"tenant":"demo-crmnow","kind":"RECORD_KIND_SHARING_RULE","page_size":2}
expect {"sharingRule":{"type":"account","from":"role+:vertrieb","to":"role+:kundendienstleitung","level":"SHARING_LEVEL_READ","related":{"potential":"SHARING_LEVEL_READ"}}}
