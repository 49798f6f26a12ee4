package server

import "github.com/klinke-authz/klinke/policy"

// limits is what GetServerInfo tells clients, by name.
func limits() map[string]uint64 {
	return map[string]uint64{
		"batch_items":           policy.MaxBatchItems,
		"write_changes":         policy.MaxWriteChanges,
		"request_bytes":         policy.MaxRequestBytes,
		"id_bytes":              policy.MaxIDBytes,
		"facts":                 policy.MaxFacts,
		"fact_bytes":            policy.MaxFactBytes,
		"context_members":       policy.MaxContext,
		"active_roles":          policy.MaxRolesInQuestion,
		"read_page":             maxReadPage,
		"tenants_page":          maxTenantsPage,
		"tenants":               policy.MaxTenants,
		"users":                 policy.MaxUsers,
		"roles":                 policy.MaxRoles,
		"groups":                policy.MaxGroups,
		"departments":           policy.MaxDepartments,
		"permissions":           policy.MaxPermissions,
		"roles_of_user":         policy.MaxRolesOfUser,
		"depth":                 policy.MaxDepth,
		"assignments":           policy.MaxAssignments,
		"conditional":           policy.MaxConditional,
		"object_grants":         policy.MaxObjectGrants,
		"ceilings":              policy.MaxCeilings,
		"limit_values":          policy.MaxLimitValues,
		"service_classes":       policy.MaxServiceClasses,
		"class_prefixes":        policy.MaxClassPrefixes,
		"class_hours":           policy.MaxClassHours,
		"sharing_rules":         policy.MaxSharingRules,
		"numbers_in_list":       policy.MaxNumbersInList,
		"sites":                 policy.MaxSites,
		"emergency_numbers":     policy.MaxEmergencyNumbers,
		"condition_bytes":       policy.MaxConditionBytes,
		"condition_cost":        policy.MaxConditionCost,
		"footprint_subjects":    policy.MaxFootprint,
		"effect_bytes":          policy.MaxEffectBytes,
		"levels":                policy.MaxLevels,
		"tests_expanded":        policy.MaxTestsExpanded,
		"number_digits":         policy.MaxDigits,
		"emergency_digits_min":  policy.MinEmergencyDigits,
		"emergency_digits_max":  policy.MaxEmergencyDigits,
		"repeat_window_seconds": policy.MaxRepeatWindowDays * 24 * 60 * 60,
	}
}
