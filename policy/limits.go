package policy

// The limits that are part of the contract. Each is tested at its edge and reported by the server.
const (
	MaxUsers            = 1_000_000
	MaxTenants          = 100_000
	MaxRoles            = 10_000
	MaxGroups           = 100_000
	MaxDepartments      = 100_000
	MaxPermissions      = 16_384 // in a model, named fields of the tenant's roles included
	MaxRolesOfUser      = 256    // after closure
	MaxDepth            = 32     // of group, role and department trees
	MaxObjectGrants     = 1_000_000
	MaxAssignments      = 1_000_000
	MaxConditional      = 16 // conditional assignments that reach one user
	MaxSharingRules     = 10_000
	MaxServiceClasses   = 1_024 // the model's included
	MaxClassPrefixes    = 1_000
	MaxClassHours       = 64
	MaxNumbersInList    = 5_000_000
	MaxFacts            = 64
	MaxFactBytes        = 4 << 10
	MaxContext          = 64
	MaxBatchItems       = 10_000
	MaxWriteChanges     = 10_000
	MaxRequestBytes     = 4 << 20
	MaxConditionBytes   = 4 << 10
	MaxIDBytes          = 256
	MaxFootprint        = 1_000   // subjects listed in a footprint or an effect before "all" or a bare count
	MaxEffectBytes      = 1 << 20 // of names in all effects of an entry, before bare counts
	MaxSites            = 10_000
	MaxEmergencyNumbers = 64     // of a site, beside its region's
	MaxLevels           = 120    // on one scale
	MaxTestsExpanded    = 10_000 // evaluated for one question when nothing is cut short
	MaxConditionCost    = 100_000
	MaxRolesInQuestion  = 256
	MinEmergencyDigits  = 3
	MaxEmergencyDigits  = 6
	MaxDigits           = 15 // of a telephone number, E.164
	MaxLimitValues      = 100_000
	MaxCeilings         = 100_000
	MaxRepeatWindowDays = 1 // how long a request id is remembered at least
)
