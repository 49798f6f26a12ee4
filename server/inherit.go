package server

import (
	"context"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// InheritGroups implements klinkev1.DirectoryServiceServer.
func (d *directory) InheritGroups(ctx context.Context, in *klinkev1.InheritGroupsRequest) (*klinkev1.InheritGroupsResponse, error) {
	s, err := d.tenants.At(ctx, in.GetTenant(), in.GetMinRevision(), "min_revision")
	if err != nil {
		return nil, err
	}
	groups, added, err := s.Snapshot.Inherit(&policy.Save{Resource: in.GetResource(), Event: in.GetEvent(), Groups: in.GetGroups()}, s.Now())
	if err != nil {
		return nil, err
	}
	return &klinkev1.InheritGroupsResponse{Groups: groups, Added: added, Revision: s.Revision}, nil
}
