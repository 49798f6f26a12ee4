# What `make demo PRESET=suitecrm` shows. scripts/demo.sh says what each first word means.
tenant  demo-suitecrm
account policy/preset/demo-suitecrm.yaml

say Groups. The group Nord has a role, Süd has none; who has no role has what is unset, and that is all.
ask allow RELATION    group       bert view account:a1 assigned=anna creator=anna groups=nord
ask deny  OUT_OF_REACH group      bert view account:a2 assigned=clara creator=clara groups=sued
ask allow ANY         all         clara view account:a1 assigned=anna creator=anna groups=nord
ask deny  REQUIREMENT -           bert view quote:q1 assigned=bert creator=bert groups=[]

say Owners. The creator is the owner only if nobody is assigned.
ask allow RELATION    group       bert edit account:a3 assigned=null creator=bert groups=[]
ask deny  OUT_OF_REACH group      bert edit account:a3 assigned=clara creator=bert groups=[]

say Eva's own role silences that of her group. Levels admin pass for administrators of the module alone.
ask deny  OUT_OF_REACH owner      eva view account:a1 assigned=anna creator=anna groups=nord
ask deny  OUT_OF_REACH admin      felix delete invoice:i1 assigned=felix creator=felix groups=[]
ask allow RELATION    admin       gisela delete invoice:i1 assigned=felix creator=felix groups=[]
ask allow OVERRIDE    both        petra view quote:q1 assigned=bert creator=bert groups=[]

say Calls are no module.
ask allow NO_LEVEL    -           eva place call:c1 destination=+493023125999
ask allow EMERGENCY   -           karl place call:c2 destination=112

say Anna is in both groups. With strict rights only Nord counts, whose own role says group.
ask allow RELATION    group       anna view account:a2 assigned=clara creator=clara groups=sued
apply {tenant: demo-suitecrm, settings: {strict: true}}
ask deny  OUT_OF_REACH group      anna view account:a2 assigned=clara creator=clara groups=sued
ask allow RELATION    group       anna view account:a1 assigned=bert creator=bert groups=nord

say And without precedence of direct roles, Eva has the higher of both.
apply {tenant: demo-suitecrm, settings: {role_precedence: false}}
ask allow RELATION    group       eva view account:a1 assigned=anna creator=anna groups=nord

grpc klinke.v1.DirectoryService/InheritGroups {"tenant":"demo-suitecrm","event":"SAVE_EVENT_CREATE","resource":{"type":"contact","id":"new","properties":{"assigned":"clara","creator":"bert","parent_groups":null,"default_groups":[]}}}
expect "groups":["nord","sued"],"added":["nord","sued"],
grpc klinke.v1.DecisionService/Check {"tenant":"demo-suitecrm","subject":{"type":"user","id":"gisela"},"action":{"name":"administer"},"resource":{"type":"invoice","id":"*"}}
expect "decision":true,"context":{"reason":"REASON_ANY","level":"administrator",
