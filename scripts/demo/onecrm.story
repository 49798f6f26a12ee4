# What `make demo PRESET=onecrm` shows. scripts/demo.sh says what each first word means.
tenant  demo-onecrm
account policy/preset/demo-onecrm.yaml

say Teams. Anna and Bert are in the team Nord, Clara is in Süd. The owner always sees what is his.
ask allow RELATION    team        anna view account:a1 assigned=bert teams=nord
ask deny  OUT_OF_REACH team       anna view account:a2 assigned=clara teams=sued
ask allow RELATION    team        anna view account:a3 assigned=anna teams=sued
ask deny  OUT_OF_REACH owner      otto view account:a1 assigned=bert teams=nord

say Roles. Eva and Felix were given the same role. Dieter has it too, but the level team of his other role is higher, and the two do not add.
ask allow RELATION    role        eva edit quote:q1 assigned=felix teams=[]
ask deny  OUT_OF_REACH team       dieter edit quote:q1 assigned=felix teams=[]
ask deny  REQUIREMENT -           otto view quote:q1 assigned=otto teams=[]
ask deny  REQUIREMENT -           anna edit invoice:i1 assigned=anna teams=nord
ask allow RELATION    team        anna view invoice:i1 assigned=anna teams=nord

say Nobody touched the rows of Martin's role, and they open everything. The administrator passes everything but none.
ask allow ANY         all         martin delete invoice:i1 assigned=eva teams=[]
ask allow OVERRIDE    all         petra delete account:a1 assigned=bert teams=nord

say Calls are no module.
ask allow NO_LEVEL    -           otto place call:c1 destination=+493023125999
ask allow EMERGENCY   -           karl place call:c2 destination=112
ask deny  GATE        -           petra place call:c3 destination=09001234567

say Now rights subtract: the lowest counts, the standard role's rows among them. Dieter falls to owner, and nothing is open through Martin's role.
apply {tenant: demo-onecrm, settings: {rights: lowest}}
ask deny  REQUIREMENT -           eva edit quote:q1 assigned=felix teams=[]
ask deny  OUT_OF_REACH owner      dieter view account:a1 assigned=felix teams=[]
ask deny  REQUIREMENT -           martin delete invoice:i1 assigned=eva teams=[]

grpc klinke.v1.DirectoryService/InheritGroups {"tenant":"demo-onecrm","event":"SAVE_EVENT_CREATE","resource":{"type":"contact","id":"new","properties":{"creator":"anna","assigned":"clara","account_teams":["leitung"]}}}
expect "groups":["leitung","nord","sued"],"added":["leitung","nord","sued"],
grpc klinke.v1.DirectoryService/InheritGroups {"tenant":"demo-onecrm","event":"SAVE_EVENT_UPDATE","groups":["leitung"],"resource":{"type":"contact","id":"c1","properties":{"creator":"anna","assigned":"clara","account_teams":["leitung"]}}}
expect "groups":["leitung","sued"],"added":["sued"],
grpc klinke.v1.DecisionService/Check {"tenant":"demo-onecrm","subject":{"type":"user","id":"anna"},"action":{"name":"view"},"resource":{"type":"contact","id":"c1","properties":{"assigned":"anna","teams":[]}}}
expect "decision":true,"context":{"reason":"REASON_RELATION","level":"owner","relation":"own",
