package server

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// maxWaiting is how many questions of one stream may wait at once, for a tenant to be loaded or a revision to come.
const maxWaiting = 1_000

// checkStream is a client's side of StreamCheck.
type checkStream = grpc.BidiStreamingServer[klinkev1.StreamCheckRequest, klinkev1.StreamCheckResponse]

// StreamCheck implements klinkev1.DecisionServiceServer. Questions are answered as they are read, so that who does not read
// the answers is asked no further: gRPC holds 64 KiB of them, then Send waits. Only what must wait has a goroutine.
func (d *decisions) StreamCheck(stream checkStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	var places places
	who, err := d.guard.caller(stream.Context())
	if err != nil {
		return err
	}
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			waiting.Wait()
			return nil
		}
		if err != nil {
			return err
		}
		readable, failure := unread(in)
		if !readable {
			return failure // nobody knows whose answer it would be
		}
		if refusal := sees(who, in.GetQuestion().GetTenant(), "tenant"); refusal != nil {
			if err := stream.Send(d.foreign(ctx, in, refusal)); err != nil {
				return err
			}
			continue
		}
		if d.isSettled(in) {
			if err := stream.Send(d.streamed(ctx, in, failure)); err != nil {
				return err
			}
			continue
		}
		size := proto.Size(in)
		if !places.take(size) {
			if err := stream.Send(d.crowded(ctx, in)); err != nil {
				return err
			}
			continue
		}
		waiting.Go(func() {
			defer places.leave(size)
			_ = stream.Send(d.streamed(ctx, in, failure)) // fails when the stream has ended, which Recv says too
		})
	}
}

// places counts the questions of a stream that wait.
type places struct {
	mu           sync.Mutex
	taken, bytes int
}

// take says whether there is a place for a question of so many bytes.
func (p *places) take(size int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == maxWaiting || p.taken > 0 && p.bytes+size > policy.MaxRequestBytes {
		return false
	}
	p.taken++
	p.bytes += size
	return true
}

func (p *places) leave(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.bytes -= size
}

// isSettled says whether nothing keeps a question from being answered at once.
func (d *decisions) isSettled(in *klinkev1.StreamCheckRequest) bool {
	question := in.GetQuestion()
	s := d.tenants.Living(question.GetTenant())
	if s == nil {
		return validTenant(question.GetTenant()) != nil
	}
	if question.GetMinRevision() == "" {
		return true
	}
	reached, err := s.Reached(question.GetMinRevision(), "min_revision")
	return reached || err != nil
}

// answered is an answer on a stream in one piece.
type answered struct {
	response klinkev1.StreamCheckResponse
	checked  checked
}

// streamed answers one question. With a failure it is answered if it is an emergency call. A panic is a failure of this
// question alone.
func (d *decisions) streamed(ctx context.Context, in *klinkev1.StreamCheckRequest, failure error) (out *klinkev1.StreamCheckResponse) {
	defer func() {
		if p := recover(); p != nil {
			out = d.unanswered(ctx, in, panicked(ctx, p))
		}
	}()
	c := new(answered)
	a := d.take()
	defer d.give(a)
	if failure == nil {
		failure = wholeQuestion(in)
	}
	var answer *klinkev1.CheckResponse
	if failure == nil {
		answer, failure = d.settle(ctx, in.GetQuestion(), a, &c.checked)
	} else {
		_, answer, _ = d.first(ctx, in.GetQuestion(), a)
	}
	if answer == nil {
		return d.unanswered(ctx, in, failure)
	}
	c.response.Id, c.response.Answer = in.GetId(), answer
	return &c.response
}

// crowded answers a question for which there is no place to wait. An emergency call is asked of what is known at once.
func (d *decisions) crowded(ctx context.Context, in *klinkev1.StreamCheckRequest) *klinkev1.StreamCheckResponse {
	a := d.take()
	defer d.give(a)
	a.of(in.GetQuestion())
	tenant := in.GetQuestion().GetTenant()
	if answer := d.stage0(tenant, d.tenants.Living(tenant), a); answer != nil {
		return &klinkev1.StreamCheckResponse{Id: in.GetId(), Answer: answer}
	}
	return d.unanswered(ctx, in, policy.Errorf(policy.Unavailable, "",
		"%d questions, or %d bytes of them, wait on this stream for a tenant or a revision; ask again", maxWaiting, policy.MaxRequestBytes))
}

// foreign answers a question about a tenant that is none of the caller's: an emergency call as it is answered to strangers.
func (d *decisions) foreign(ctx context.Context, in *klinkev1.StreamCheckRequest, refusal error) *klinkev1.StreamCheckResponse {
	a := d.take()
	defer d.give(a)
	a.of(in.GetQuestion())
	if answer := a.anywhere(); answer != nil {
		return &klinkev1.StreamCheckResponse{Id: in.GetId(), Answer: answer}
	}
	return d.unanswered(ctx, in, refusal)
}

func (d *decisions) unanswered(ctx context.Context, in *klinkev1.StreamCheckRequest, failure error) *klinkev1.StreamCheckResponse {
	why := &klinkev1.DecisionContext{Error: statusOf(ctx, d.log, failure).Proto()}
	return &klinkev1.StreamCheckResponse{Id: in.GetId(), Answer: refusal(why)}
}

// wholeQuestion refuses what is wrong around a question.
func wholeQuestion(in *klinkev1.StreamCheckRequest) error {
	if in.GetQuestion() == nil {
		return policy.Errorf(policy.Invalid, "question", "the question is missing")
	}
	if err := noUnknown(in.ProtoReflect(), ""); err != nil {
		return err
	}
	return nil
}

// unread says why a question could not be read as it stands; what was made of it is then in its place. False when nothing
// could be made of it.
func unread(in *klinkev1.StreamCheckRequest) (readable bool, failure error) {
	raw := in.ProtoReflect().GetUnknown()
	if len(raw) == 0 || raw[0] != unreadable {
		return true, nil
	}
	return repair(in, raw[1:]), errUnreadable()
}
