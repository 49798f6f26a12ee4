package server

import (
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/caller"
)

// scope says which tenants a call is about.
type scope uint8

const (
	// aboutTenant: the request names one, which must be the caller's.
	aboutTenant scope = iota
	// aboutNewTenant: the request names one that is not there yet; it must be the caller's all the same.
	aboutNewTenant
	// aboutServer: what the call does reaches every tenant, so all of them must be the caller's.
	aboutServer
	// aboutNone: no tenant's, or only of the caller's own, which the handler sees to.
	aboutNone
)

// rule says who may make a call.
type rule struct {
	// open is for everyone, known or not.
	open bool
	// powers are those of which the caller needs one; with none, any caller may.
	powers caller.Powers
	scope  scope
	// unnamed is the rule, instead of this one, when the request names no tenant; nil where it must name one.
	unnamed *rule
	// inBand is for streams whose every message is a question of its own: the handler asks the guard for each, and answers it.
	inBand bool
}

// rules are those of all calls, by full name. A call without a rule is refused to everyone.
func rules() map[string]rule {
	var (
		ask    = caller.Of(caller.Check)
		read   = caller.Of(caller.Watch, caller.EditDirectory)
		edit   = caller.Of(caller.EditDirectory)
		models = caller.Of(caller.EditModel)
		found  = caller.Of(caller.Tenants)
		member = caller.Of(caller.Check, caller.Watch, caller.EditDirectory, caller.EditModel, caller.Tenants)
	)
	return map[string]rule{
		klinkev1.DecisionService_Check_FullMethodName:         {powers: ask},
		klinkev1.DecisionService_BatchCheck_FullMethodName:    {powers: ask},
		klinkev1.DecisionService_Explain_FullMethodName:       {powers: ask},
		klinkev1.DecisionService_StreamCheck_FullMethodName:   {powers: ask, inBand: true},
		klinkev1.DecisionService_GetServerInfo_FullMethodName: {scope: aboutNone},

		klinkev1.DirectoryService_Write_FullMethodName:         {powers: edit},
		klinkev1.DirectoryService_Read_FullMethodName:          {powers: read},
		klinkev1.DirectoryService_InheritGroups_FullMethodName: {powers: ask | edit},
		klinkev1.DirectoryService_CreateTenant_FullMethodName:  {powers: found, scope: aboutNewTenant},
		klinkev1.DirectoryService_DeleteTenant_FullMethodName:  {powers: found},
		klinkev1.DirectoryService_ListTenants_FullMethodName:   {scope: aboutNone},
		klinkev1.DirectoryService_PutModel_FullMethodName:      {powers: models, scope: aboutServer},
		// A model is the vendor's, no tenant's: whoever edits may read it.
		klinkev1.DirectoryService_GetModel_FullMethodName: {powers: member, unnamed: &rule{powers: edit | models | found, scope: aboutNone}},

		klinkev1.WatchService_Watch_FullMethodName: {
			powers:  caller.Of(caller.Watch),
			unnamed: &rule{powers: caller.Of(caller.Watch), scope: aboutServer},
		},

		healthv1.Health_Check_FullMethodName: {open: true},
		healthv1.Health_List_FullMethodName:  {open: true},
		healthv1.Health_Watch_FullMethodName: {open: true},

		reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName: {scope: aboutNone},
		// The name under which older clients ask the same.
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": {scope: aboutNone},
	}
}

// tenantNamed is the tenant that a request names, and the field in which it does. False when its kind names none.
func tenantNamed(request any) (tenant, field string, ok bool) {
	switch m := request.(type) {
	case interface{ GetTenant() string }:
		return m.GetTenant(), "tenant", true
	case interface{ GetQuestion() *klinkev1.CheckRequest }:
		return m.GetQuestion().GetTenant(), "question.tenant", true
	}
	return "", "", false
}

// morePowers are those that a request needs beside its call's: emergency numbers are the operator's, and so is a site, with
// which its own go.
func morePowers(request any) caller.Powers {
	w, isWrite := request.(*klinkev1.WriteRequest)
	if !isWrite {
		return 0
	}
	for _, change := range w.GetChanges() {
		if change.GetPut().GetEmergencyNumber() != nil || change.GetDelete().GetEmergencyNumber() != nil || change.GetDelete().GetSite() != nil {
			return caller.Of(caller.Operate)
		}
	}
	return 0
}
