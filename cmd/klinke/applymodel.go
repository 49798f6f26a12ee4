package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// putModel puts a model and says what became of it. It returns the version.
func (a *applier) putModel(ctx context.Context, m *klinkev1.Model) (uint32, error) {
	out, err := a.r.PutModel(ctx, &klinkev1.PutModelRequest{Model: m, ValidateOnly: a.validateOnly})
	if err != nil {
		return 0, err
	}
	a.models[modelVersion{m.GetName(), out.GetVersion()}] = m
	what := "put"
	switch {
	case out.GetUnchanged():
		what = "unchanged"
	case a.validateOnly:
		what = "would be put"
	}
	if a.p.output == "json" {
		return out.GetVersion(), a.p.sayJSON(out)
	}
	return out.GetVersion(), a.p.sayf("model %s@%d: %s", out.GetModel(), out.GetVersion(), what)
}

// model finds a version of a model, the newest for 0: among those of this run, on the server, or, to be put there, among
// the presets.
func (a *applier) model(ctx context.Context, name string, version uint32) (*klinkev1.Model, uint32, error) {
	var newest modelVersion
	for v := range a.models {
		if v.name == name && (version == 0 || version == v.version) && v.version > newest.version {
			newest = v
		}
	}
	if newest.name != "" && version != 0 {
		return a.models[newest], newest.version, nil
	}
	out, err := a.r.GetModel(ctx, &klinkev1.GetModelRequest{Model: name, Version: version})
	if err == nil && out.GetVersion() >= newest.version {
		a.models[modelVersion{name, out.GetVersion()}] = out.GetModel()
		return out.GetModel(), out.GetVersion(), nil
	}
	if newest.name != "" && (err == nil || isMissing(err)) { // newer than the server's: that is so in a rehearsal
		return a.models[newest], newest.version, nil
	}
	m, isPreset, e := presetModel(name)
	switch {
	case !isMissing(err):
		return nil, 0, err
	case e != nil:
		return nil, 0, e
	case !isPreset && version == 0:
		return nil, 0, invalid("model", "the server has no model `%s`, and no preset is called so (there are %s): apply the model's file first",
			name, strings.Join(preset.Names(), ", "))
	case !isPreset || version > 1:
		return nil, 0, invalid("model", "the server has no version %d of the model `%s`: apply the model's file first", version, name)
	}
	v, err := a.putModel(ctx, m)
	return m, v, err
}

// presetModel reads a preset's model; false when there is none of that name.
func presetModel(name string) (*klinkev1.Model, bool, error) {
	if !slices.Contains(preset.Names(), name) {
		return nil, false, nil
	}
	data, _ := preset.File(name)
	m, err := account.Model(name+".yaml", data, mixins(""))
	return m, true, err
}

// target is the tenant that is applied to.
type target struct {
	id      string
	model   *klinkev1.Model // in use, after the move
	version uint32
	made    bool             // by this run, or would be
	exists  bool             // on the server
	move    *klinkev1.Change // to another version of the model; nil for none
	sink    sink
}

// tenant finds a tenant, or makes it on the model (`name` or `name@2`; empty for the one that the tenant uses).
func (a *applier) tenant(ctx context.Context, id, model string) (*target, error) {
	var name string
	var version uint32
	if model != "" {
		var err error
		if name, version, err = account.SplitModel(model); err != nil {
			return nil, err
		}
	}
	now, err := a.r.GetModel(ctx, &klinkev1.GetModelRequest{Tenant: id})
	if err != nil && !isMissing(err) {
		return nil, err
	}
	t := &target{id: id, exists: err == nil, model: now.GetModel(), version: now.GetVersion()}
	switch {
	case !t.exists && model == "":
		return nil, invalid("tenant", "there is no tenant `%s`, and the file does not say with which `model` to make it", id)
	case !t.exists:
		err = a.create(ctx, t, name, version)
	case name != "" && (name != t.model.GetName() || version != 0 && version != t.version):
		if t.model, t.version, err = a.model(ctx, name, version); err == nil {
			t.move = put(&klinkev1.Record{Record: &klinkev1.Record_UseModel{UseModel: &klinkev1.UseModel{Model: name, Version: t.version}}})
		}
		fallthrough
	default:
		if err == nil {
			t.sink, err = a.sinkFor(ctx, t, now)
		}
	}
	return t, err
}

// create makes a tenant, or a rehearsal of it.
func (a *applier) create(ctx context.Context, t *target, name string, version uint32) error {
	m, v, err := a.model(ctx, name, version)
	if err != nil {
		return err
	}
	t.model, t.version, t.made = m, v, true
	what := "would be made"
	if a.validateOnly {
		h := a.newRehearsal()
		compiled, err := h.models(name, v)
		if err != nil {
			return err
		}
		t.sink = h
		if _, err := h.write(ctx, compiled.Factory()); err != nil {
			return err
		}
	} else {
		in := &klinkev1.CreateTenantRequest{Tenant: t.id, Model: name, Version: v, Reason: a.reason, Author: a.author}
		if _, err := a.r.CreateTenant(ctx, in); err != nil {
			return err
		}
		what = "made"
		t.sink = &remoteSink{a: a, tenant: t.id}
	}
	if a.p.output == "json" {
		return nil
	}
	return a.p.sayf("tenant %s: %s on %s@%d", t.id, what, name, v)
}

// sinkFor is where the changes of an existing tenant go: to the server, or to a copy of the tenant.
func (a *applier) sinkFor(ctx context.Context, t *target, now *klinkev1.GetModelResponse) (sink, error) {
	if !a.validateOnly {
		return &remoteSink{a: a, tenant: t.id}, nil
	}
	h := a.newRehearsal()
	a.models[modelVersion{now.GetModel().GetName(), now.GetVersion()}] = now.GetModel()
	return h, h.copyTenant(ctx, a, t.id, &klinkev1.UseModel{Model: now.GetModel().GetName(), Version: now.GetVersion()}, account.Kinds()...)
}

// rehearsal applies changes to a snapshot of its own, by the server's rules.
type rehearsal struct {
	snapshot *policy.Snapshot
	models   func(name string, version uint32) (*policy.Model, error)
}

func (a *applier) newRehearsal() *rehearsal {
	compiled := map[modelVersion]*policy.Model{}
	return &rehearsal{snapshot: policy.Empty(), models: func(name string, version uint32) (*policy.Model, error) {
		at := modelVersion{name, version}
		if compiled[at] != nil {
			return compiled[at], nil
		}
		source := a.models[at]
		if source == nil {
			return nil, policy.Errorf(policy.NotFound, "model", "no such model, or no such version of it: %s@%d", name, version)
		}
		m, err := policy.Compile(source, version)
		compiled[at] = m
		return m, err
	}}
}

func (h *rehearsal) write(_ context.Context, changes []*klinkev1.Change) (written, error) {
	out, err := policy.Apply(h.snapshot, changes, policy.Stamp{Now: time.Now(), Models: h.models, Replay: true})
	if err != nil {
		return written{}, err
	}
	h.snapshot = out.Next
	return written{changes: out.Changes}, nil
}

// copyTenant copies what the server holds of some kinds, in order. Departments and roles come twice, since those above must be there first.
func (h *rehearsal) copyTenant(ctx context.Context, a *applier, tenant string, use *klinkev1.UseModel, kinds ...klinkev1.RecordKind) error {
	quiet := &writer{to: h, note: a.p.notef, progress: &progress{}, tally: newTally()}
	err := quiet.add(ctx, put(&klinkev1.Record{Record: &klinkev1.Record_UseModel{UseModel: use}}))
	revisions := map[string]bool{}
	for _, kind := range kinds {
		var again []*klinkev1.Change
		for record, e := range a.r.records(ctx, tenant, kind, revisions) {
			if err == nil {
				err = e
			}
			if err != nil {
				return err
			}
			if flat := withoutParent(record); flat != nil {
				again = append(again, put(record))
				record = flat
			}
			err = quiet.add(ctx, put(record))
		}
		if err == nil {
			err = quiet.add(ctx, again...)
		}
	}
	if err == nil {
		err = quiet.flush(ctx)
	}
	if err == nil && len(revisions) > 1 {
		err = policy.Errorf(policy.Conflict, "tenant", "`%s` changed while it was read: try again", tenant)
	}
	return err
}

// withoutParent is a department or role as a root; nil when it is one, and for other records.
func withoutParent(r *klinkev1.Record) *klinkev1.Record {
	if r.GetDepartment().GetParent() == "" && r.GetRole().GetUnder() == "" {
		return nil
	}
	flat := proto.CloneOf(r)
	if d := flat.GetDepartment(); d != nil {
		d.Parent = ""
	} else {
		flat.GetRole().Under = ""
	}
	return flat
}

func put(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}}
}

func (v modelVersion) String() string { return fmt.Sprintf("%s@%d", v.name, v.version) }
