package server

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
)

// Pages: what a size of 0 means, and the most.
const (
	readPage       = 1_000
	maxReadPage    = 10_000
	tenantsPage    = 100
	maxTenantsPage = 1_000
)

// maxModel leaves room for what stands beside a model in GetModel's answer, so that what was put can be got.
const maxModel = policy.MaxRequestBytes - 64

// directory is the DirectoryService.
type directory struct {
	klinkev1.UnimplementedDirectoryServiceServer
	tenants *live.Tenants
	guard   *guard
}

// Write implements klinkev1.DirectoryServiceServer.
func (d *directory) Write(ctx context.Context, in *klinkev1.WriteRequest) (*klinkev1.WriteResponse, error) {
	if err := validTenant(in.GetTenant()); err != nil {
		return nil, err
	}
	who, err := d.guard.caller(ctx)
	if err != nil {
		return nil, err
	}
	written, err := d.tenants.Write(ctx, in.GetTenant(), live.Write{
		Changes:      in.GetChanges(),
		RequestID:    in.GetRequestId(),
		Expected:     in.GetExpectedRevision(),
		Reason:       in.GetReason(),
		Author:       in.GetAuthor(),
		Caller:       who.Name,
		ValidateOnly: in.GetValidateOnly(),
	})
	if err != nil {
		return nil, err
	}
	return shortened(&klinkev1.WriteResponse{Revision: written.Revision, Entry: written.Entry, RepeatedRequest: written.Repeated}), nil
}

// shortened leaves out of an answer what makes it longer than what clients take: a write that was made must not look as if
// it had failed.
func shortened(out *klinkev1.WriteResponse) *klinkev1.WriteResponse {
	if proto.Size(out) <= policy.MaxRequestBytes {
		return out
	}
	e := out.GetEntry()
	out.Entry = header(e)
	out.Entry.Footprint = e.GetFootprint()
	out.Shortened = true
	return out
}

// Read implements klinkev1.DirectoryServiceServer.
func (d *directory) Read(ctx context.Context, in *klinkev1.ReadRequest) (*klinkev1.ReadResponse, error) {
	if err := validTenant(in.GetTenant()); err != nil {
		return nil, err
	}
	query := live.Query{Kind: in.GetKind(), Limit: size(in.GetPageSize(), readPage), MinRevision: in.GetMinRevision()}
	if in.GetPageToken() != "" {
		token, err := parseRecordsToken(in.GetPageToken())
		if err != nil {
			return nil, err
		}
		if !token.isOf(in.GetKind()) {
			return nil, errToken()
		}
		query.After, query.Lineage = token.after, token.lineage
	}
	page, err := d.tenants.Read(ctx, in.GetTenant(), query)
	if err != nil {
		return nil, err
	}
	out := &klinkev1.ReadResponse{Records: page.Records, Revision: page.Revision}
	if page.Next != nil {
		out.NextPageToken = recordsToken{page.Lineage, page.Next}.String()
	}
	return out, nil
}

// size is a page's size with its default. The most is kept by the message's rules.
func size(asked uint32, otherwise int) int {
	if asked == 0 {
		return otherwise
	}
	return int(asked)
}

// CreateTenant implements klinkev1.DirectoryServiceServer.
func (d *directory) CreateTenant(ctx context.Context, in *klinkev1.CreateTenantRequest) (*klinkev1.CreateTenantResponse, error) {
	if err := validTenant(in.GetTenant()); err != nil {
		return nil, err
	}
	who, err := d.guard.caller(ctx)
	if err != nil {
		return nil, err
	}
	info, err := d.tenants.Create(ctx, live.Creation{
		ID: in.GetTenant(), Model: in.GetModel(), Version: in.GetVersion(), Reason: in.GetReason(), Author: in.GetAuthor(), Caller: who.Name,
	})
	if err != nil {
		return nil, err
	}
	return &klinkev1.CreateTenantResponse{Tenant: tenantOf(info)}, nil
}

func tenantOf(i live.Info) *klinkev1.Tenant {
	return &klinkev1.Tenant{
		Id: i.ID, Revision: i.Revision, Model: i.Model, Version: i.Version, Created: timestamppb.New(i.Created),
	}
}

// DeleteTenant implements klinkev1.DirectoryServiceServer.
func (d *directory) DeleteTenant(ctx context.Context, in *klinkev1.DeleteTenantRequest) (*klinkev1.DeleteTenantResponse, error) {
	if err := validTenant(in.GetTenant()); err != nil {
		return nil, err
	}
	if err := d.tenants.Delete(ctx, in.GetTenant(), in.GetExpectedRevision()); err != nil {
		return nil, err
	}
	return &klinkev1.DeleteTenantResponse{}, nil
}

// ListTenants implements klinkev1.DirectoryServiceServer. It lists the caller's tenants, and looks at no others.
func (d *directory) ListTenants(ctx context.Context, in *klinkev1.ListTenantsRequest) (*klinkev1.ListTenantsResponse, error) {
	after, err := parseTenantsToken(in.GetPageToken())
	if err != nil {
		return nil, err
	}
	who, err := d.guard.caller(ctx)
	if err != nil {
		return nil, err
	}
	list := d.tenants.List
	if !who.All {
		list = func(ctx context.Context, after string, limit int) ([]live.Info, string, error) {
			return d.tenants.ListAmong(ctx, who.Tenants, after, limit)
		}
	}
	infos, next, err := list(ctx, after, size(in.GetPageSize(), tenantsPage))
	if err != nil {
		return nil, err
	}
	out := &klinkev1.ListTenantsResponse{}
	for _, i := range infos {
		out.Tenants = append(out.Tenants, tenantOf(i))
	}
	if next != "" {
		out.NextPageToken = tenantsToken(next)
	}
	return out, nil
}

// PutModel implements klinkev1.DirectoryServiceServer.
func (d *directory) PutModel(ctx context.Context, in *klinkev1.PutModelRequest) (*klinkev1.PutModelResponse, error) {
	if n := proto.Size(in.GetModel()); n > maxModel {
		return nil, policy.Errorf(policy.TooLarge, "model", "%d bytes; a model may have %d", n, maxModel)
	}
	version, fresh, err := d.tenants.PutModel(ctx, in.GetModel(), in.GetValidateOnly())
	if err != nil {
		return nil, err
	}
	return &klinkev1.PutModelResponse{Model: in.GetModel().GetName(), Version: version, Unchanged: !fresh}, nil
}

// GetModel implements klinkev1.DirectoryServiceServer.
func (d *directory) GetModel(ctx context.Context, in *klinkev1.GetModelRequest) (*klinkev1.GetModelResponse, error) {
	switch {
	case in.GetTenant() == "" && in.GetModel() == "":
		return nil, policy.Errorf(policy.Invalid, "model", "name a model, or the tenant whose model is meant")
	case in.GetTenant() == "":
		m, version, err := d.tenants.Model(in.GetModel(), in.GetVersion())
		if err != nil {
			return nil, err
		}
		return &klinkev1.GetModelResponse{Model: m, Version: version}, nil
	case in.GetModel() != "" || in.GetVersion() != 0:
		return nil, policy.Errorf(policy.Invalid, "tenant", "name a tenant, or a model and version, not both")
	}
	if err := validTenant(in.GetTenant()); err != nil {
		return nil, err
	}
	s, err := d.tenants.Current(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	m := s.Snapshot.Model()
	if m == nil {
		return nil, policy.Errorf(policy.NotFound, "tenant", "the tenant uses no model")
	}
	return &klinkev1.GetModelResponse{Model: m.Source(), Version: m.Version()}, nil
}

// under puts an error's field below another one; foreign errors stay as they are.
func under(field string, err error) error {
	var e *policy.Error
	if !errors.As(err, &e) || e.Field == "" {
		return err
	}
	return below(field, e)
}
