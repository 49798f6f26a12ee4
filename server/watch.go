package server

import (
	"context"
	"errors"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
)

const (
	// defaultHeartbeat is how long a stream is silent when nothing happens.
	defaultHeartbeat = 10 * time.Second
	// watchPage is how many entries a watcher takes from the log at a time.
	watchPage = 256
)

// watching is the WatchService.
type watching struct {
	klinkev1.UnimplementedWatchServiceServer
	tenants   *live.Tenants
	validator protovalidate.Validator
}

// Watch implements klinkev1.WatchServiceServer.
func (w *watching) Watch(in *klinkev1.WatchRequest, out grpc.ServerStreamingServer[klinkev1.WatchResponse]) error {
	ctx := out.Context()
	if err := strict(in.ProtoReflect()); err != nil {
		return err
	}
	if err := w.validator.Validate(in); err != nil {
		return err
	}
	if in.GetTenant() != "" {
		if err := validTenant(in.GetTenant()); err != nil {
			return err
		}
	}
	if in.GetCursor() != "" && in.GetFromNow() {
		return policy.Errorf(policy.Invalid, "from_now", "begin behind the cursor, or from now on, not both")
	}
	if in.GetWithoutFootprints() && len(in.GetKinds()) == 0 {
		return policy.Errorf(policy.Invalid, "without_footprints", "there is nothing to leave out when all kinds are asked for; name kinds")
	}
	err := newWatch(w.tenants, in, out.Send).run(ctx)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		err = cause // why it was ended
	}
	return err
}

// watch is one stream. It pulls: writers only wake it.
type watch struct {
	tenants   *live.Tenants
	in        *klinkev1.WatchRequest
	kinds     map[klinkev1.RecordKind]bool // nil for all
	heartbeat time.Duration
	stream    func(*klinkev1.WatchResponse) error
	told      int // events since the last resync
}

func newWatch(ts *live.Tenants, in *klinkev1.WatchRequest, stream func(*klinkev1.WatchResponse) error) *watch {
	w := &watch{tenants: ts, in: in, heartbeat: defaultHeartbeat, stream: stream}
	if in.GetHeartbeat() != nil {
		w.heartbeat = in.GetHeartbeat().AsDuration()
	}
	for _, k := range in.GetKinds() {
		if w.kinds == nil {
			w.kinds = make(map[klinkev1.RecordKind]bool)
		}
		w.kinds[k] = true
	}
	return w
}

// run follows until the tenant is deleted or something fails. What cannot be continued is begun anew, in band.
func (w *watch) run(ctx context.Context) error {
	cursor := w.in.GetCursor()
	for first := true; ; first = false {
		err := w.follow(ctx, cursor)
		if e, ok := errors.AsType[*policy.Error](err); !ok || e.Kind != policy.Gone || !first && w.told == 0 {
			return err
		}
		cursor, w.told = "", 0
		resync := &klinkev1.Resync{Reason: resyncReason(err)}
		if err := w.stream(&klinkev1.WatchResponse{Tenant: w.in.GetTenant(), Event: &klinkev1.WatchResponse_Resync{Resync: resync}}); err != nil {
			return err
		}
	}
}

func (w *watch) send(e *klinkev1.WatchResponse) error {
	w.told++
	return w.stream(e)
}

// resyncReason says what Gone means. What comes from the log has no field.
func resyncReason(err error) klinkev1.ResyncReason {
	var e *policy.Error
	switch {
	case live.PutBack(err):
		return klinkev1.ResyncReason_RESYNC_REASON_AHEAD
	case errors.As(err, &e) && e.Field == "":
		return klinkev1.ResyncReason_RESYNC_REASON_BELOW_FLOOR
	}
	return klinkev1.ResyncReason_RESYNC_REASON_OTHER_LINEAGE
}

// open returns a tail behind a cursor, at the present when that is empty.
func (w *watch) open(ctx context.Context, cursor string) (live.Tail, error) {
	if id := w.in.GetTenant(); id != "" {
		return w.tenants.Tail(ctx, id, cursor, "cursor")
	}
	return w.tenants.TailAll(cursor, "cursor")
}

// follow sends the snapshot, if it is wanted, and the tail. Gone when it must begin anew.
func (w *watch) follow(ctx context.Context, cursor string) error {
	tail, err := w.open(ctx, cursor)
	if err != nil {
		return err
	}
	if cursor == "" && !w.in.GetFromNow() {
		if err := w.snapshot(ctx, tail.Place()); err != nil {
			return err
		}
	}
	present, err := w.open(ctx, "")
	if err != nil {
		return err
	}
	for caughtUp := false; ; {
		events, err := tail.Next(ctx, watchPage)
		if err != nil {
			return err
		}
		for i := range events {
			if err := w.event(&events[i]); err != nil {
				return err
			}
			if events[i].Entry == nil && w.in.GetTenant() != "" {
				return nil
			}
		}
		if !caughtUp && tail.Place().Position >= present.Place().Position {
			caughtUp = true
			if err := w.sign(tail, &klinkev1.WatchResponse{Event: &klinkev1.WatchResponse_CaughtUp{CaughtUp: &klinkev1.CaughtUp{}}}); err != nil {
				return err
			}
		}
		if len(events) > 0 {
			continue
		}
		if err := w.wait(ctx, tail); err != nil {
			return err
		}
	}
}

// wait waits for more, and sends heartbeats while there is nothing.
func (w *watch) wait(ctx context.Context, tail live.Tail) error {
	for {
		beat, cancel := context.WithTimeout(ctx, w.heartbeat)
		err := tail.Wait(beat)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := w.sign(tail, &klinkev1.WatchResponse{Event: &klinkev1.WatchResponse_Heartbeat{Heartbeat: &klinkev1.Heartbeat{}}}); err != nil {
			return err
		}
	}
}

// sign sends an event about the stream itself, with the place where it is.
func (w *watch) sign(tail live.Tail, e *klinkev1.WatchResponse) error {
	at := tail.Place()
	e.Tenant, e.Revision, e.Cursor = w.in.GetTenant(), at.Revision, at.Cursor
	return w.send(e)
}

// event sends an entry or a deletion.
func (w *watch) event(e *live.Event) error {
	out := &klinkev1.WatchResponse{Tenant: e.Tenant, Revision: e.Revision, Cursor: e.Cursor}
	if e.Entry == nil {
		out.Event = &klinkev1.WatchResponse_TenantDeleted{TenantDeleted: &klinkev1.TenantDeleted{}}
		return w.send(out)
	}
	if e.Creation {
		created := &klinkev1.WatchResponse{Tenant: e.Tenant, Revision: e.Revision}
		created.Event = &klinkev1.WatchResponse_TenantCreated{TenantCreated: &klinkev1.TenantCreated{}}
		if err := w.send(created); err != nil {
			return err
		}
	}
	entry := w.filtered(e.Entry)
	if entry == nil {
		return nil
	}
	for part, more := range parts(entry) {
		next := &klinkev1.WatchResponse{Tenant: e.Tenant, Revision: e.Revision, Continues: more}
		next.Event = &klinkev1.WatchResponse_Entry{Entry: part}
		if !more {
			next.Cursor = e.Cursor
		}
		if err := w.send(next); err != nil {
			return err
		}
	}
	return nil
}

// snapshot sends the records, as they are at the place or later.
func (w *watch) snapshot(ctx context.Context, at live.Place) error {
	if id := w.in.GetTenant(); id != "" {
		return w.records(ctx, id, at.Revision)
	}
	for after, more := "", true; more; {
		page, next, err := w.tenants.List(ctx, after, tenantsPage)
		if err != nil {
			return err
		}
		for _, info := range page {
			err := w.records(ctx, info.ID, info.Revision)
			if e, ok := errors.AsType[*policy.Error](err); ok && (e.Kind == policy.NotFound || e.Kind == policy.Gone) {
				continue // deleted or made anew meanwhile: the tail tells
			}
			if err != nil {
				return err
			}
		}
		after, more = next, next != ""
	}
	return nil
}

// records sends a tenant's records: at least one part, so that the tenant is known.
func (w *watch) records(ctx context.Context, id, revision string) error {
	sent := false
	numbers := klinkev1.RecordKind(0).Descriptor().Values()
	for i := range numbers.Len() {
		kind := klinkev1.RecordKind(numbers.Get(i).Number())
		if kind == klinkev1.RecordKind_RECORD_KIND_UNSPECIFIED || w.kinds != nil && !w.kinds[kind] {
			continue
		}
		q := live.Query{Kind: kind, Limit: readPage, MinRevision: revision}
		for more := true; more; {
			page, err := w.tenants.Read(ctx, id, q)
			if err != nil {
				return err
			}
			q.After, q.Lineage = page.Next, page.Lineage
			more = page.Next != nil
			if len(page.Records) == 0 {
				continue
			}
			sent = true
			if err := w.part(id, page.Revision, page.Records); err != nil {
				return err
			}
		}
	}
	if sent {
		return nil
	}
	return w.part(id, revision, nil)
}

func (w *watch) part(id, revision string, records []*klinkev1.Record) error {
	out := &klinkev1.WatchResponse{Tenant: id, Revision: revision}
	out.Event = &klinkev1.WatchResponse_Records{Records: &klinkev1.WatchedRecords{Records: records}}
	return w.send(out)
}
