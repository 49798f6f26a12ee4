// These benchmarks show what a decision, an edit and a load cost as tenants grow. docs/performance.md says how to run them.
package policy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const benchModel = `
model: bench
combine: highest
levels:
  reach: {none: [], own: [own], team: [own, team], department: [own, department], any: any}
types:
  recording:
    attributes: {employee: user, teams: groups}
    relations: {own: {is: employee}, team: {member_of: teams}, department: {department_of: employee}}
    actions: {own: {level: reach}, team: {level: reach}, department: {level: reach}, any: {level: reach}, other: {level: reach}}
`

func benchCompile(tb testing.TB) *policy.Model {
	tb.Helper()
	src, err := account.Model("bench.yaml", []byte(benchModel), func(string) ([]byte, error) { return nil, nil })
	if err != nil {
		tb.Fatal(err)
	}
	m, err := policy.Compile(src, 1)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func benchStamp(m *policy.Model) policy.Stamp {
	return policy.Stamp{Now: time.Unix(1_700_000_000, 0), Models: func(string, uint32) (*policy.Model, error) { return m, nil }}
}

type bench struct {
	tb testing.TB
	s  *policy.Snapshot
	at policy.Stamp
	w  []*klinkev1.Change
}

func (b *bench) put(r *klinkev1.Record) {
	b.w = append(b.w, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}})
	if len(b.w) == policy.MaxWriteChanges {
		b.flush()
	}
}

func (b *bench) flush() {
	b.tb.Helper()
	at := b.at
	at.Replay = true
	out, err := policy.Apply(b.s, b.w, at)
	if err != nil {
		b.tb.Fatal(err)
	}
	b.s, b.w = out.Next, nil
}

func user(i int) string { return fmt.Sprintf("user%08d", i) }

const benchRoles, benchDepartments, benchGroups = 50, 1_000, 5_000

// benchTenant makes a tenant whose users have one department, two groups and one role each, drawn at random, so that nearly
// every user of a large one has a combination of his own.
func benchTenant(tb testing.TB, m *policy.Model, users int) *policy.Snapshot {
	tb.Helper()
	b := &bench{tb: tb, s: policy.Empty(), at: benchStamp(m)}
	b.w = m.Factory()
	draw := rand.New(rand.NewPCG(1, 2))
	levels := []string{"own", "team", "department", "any"}
	for i := range benchRoles {
		id := fmt.Sprintf("role%d", i)
		b.put(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: id}}})
		for _, l := range levels {
			b.put(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: &klinkev1.Cell{Role: id, Permission: "recording." + l, Level: l}}})
		}
	}
	for i := range benchDepartments {
		parent := ""
		if i > 0 {
			parent = fmt.Sprintf("d%d", (i-1)/8)
		}
		b.put(&klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: fmt.Sprintf("d%d", i), Parent: parent}}})
	}
	for i := range benchGroups {
		b.put(&klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: fmt.Sprintf("g%d", i)}}})
	}
	for i := range users {
		id := user(i)
		b.put(&klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id, Label: "Name " + id}}})
		b.put(&klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{DepartmentMember: &klinkev1.DepartmentMember{
			Department: fmt.Sprintf("d%d", draw.IntN(benchDepartments)), Subject: "user:" + id}}})
		for range 2 {
			b.put(&klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{
				Group: fmt.Sprintf("g%d", draw.IntN(benchGroups)), Member: "user:" + id}}})
		}
		b.put(&klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{
			Role: fmt.Sprintf("role%d", draw.IntN(benchRoles)), Holder: "user:" + id}}})
	}
	b.flush()
	return b.s
}

func checkpoint(tb testing.TB, s *policy.Snapshot) (chunks [][]byte) {
	tb.Helper()
	for c, err := range s.Checkpoint() {
		if err != nil {
			tb.Fatal(err)
		}
		chunks = append(chunks, c)
	}
	return chunks
}

func restore(tb testing.TB, m *policy.Model, chunks [][]byte) *policy.Snapshot {
	tb.Helper()
	r := policy.NewRestorer(func(string, uint32) (*policy.Model, error) { return m, nil })
	for _, c := range chunks {
		if err := r.Add(c); err != nil {
			tb.Fatal(err)
		}
	}
	s, err := r.Snapshot()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var benchSizes = []int{10_000, 100_000, 1_000_000}

// BenchmarkDecide asks about users at random, nearly all of them out of reach, so that all relations of a level are asked.
// The cell's level is the benchmark's name. best-ns/op is that of the fastest run of 16,384 questions, which is what a
// machine gives that other work shares.
func BenchmarkDecide(b *testing.B) {
	m := benchCompile(b)
	for _, users := range benchSizes {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			s := restore(b, m, checkpoint(b, benchTenant(b, m, users)))
			for _, level := range []string{"own", "any", "team", "department"} {
				b.Run(level, func(b *testing.B) { benchDecide(b, s, level, users) })
			}
		})
	}
}

// asked is what differs between the questions of a benchmark.
type asked struct {
	subject, employee string
	teams             []string
}

func benchDecide(b *testing.B, s *policy.Snapshot, level string, users int) {
	request := prepared(b, s, level)
	names := questions(level, users)
	now := time.Unix(1_800_000_000, 0)
	allowed := 0
	b.ReportAllocs()
	best, begun := time.Duration(math.MaxInt64), time.Now()
	for i := 0; b.Loop(); i++ {
		at := i & (len(names) - 1)
		if at == 0 && i > 0 {
			now := time.Now()
			best, begun = min(best, now.Sub(begun)), now
		}
		request.Exchange(names[at].subject, names[at].employee, names[at].teams)
		if policy.Decide(s, request, now).Allow {
			allowed++
		}
	}
	b.ReportMetric(float64(allowed)/float64(b.N), "allowed/op")
	if b.N > len(names) {
		b.ReportMetric(float64(best.Nanoseconds())/float64(len(names)), "best-ns/op")
	}
}

func prepared(tb testing.TB, s *policy.Snapshot, level string) *policy.Request {
	tb.Helper()
	properties, err := structpb.NewStruct(map[string]any{"employee": user(0), "teams": []any{"g0", "g1"}})
	if err != nil {
		tb.Fatal(err)
	}
	q := &policy.Question{Subject: &klinkev1.QuestionSubject{Type: "user", Id: user(0)}, Action: &klinkev1.QuestionAction{Name: level},
		Resource: &klinkev1.QuestionResource{Type: "recording", Id: "r", Properties: properties}}
	r := new(policy.Request)
	if err := s.Prepare(r, q, s.Plan().Normalise); err != nil {
		tb.Fatal(err)
	}
	return r
}

func questions(level string, users int) []asked {
	draw := rand.New(rand.NewPCG(3, 4))
	group := func() string { return fmt.Sprintf("g%d", draw.IntN(benchGroups)) }
	out := make([]asked, 1<<14)
	for i := range out {
		n := draw.IntN(users)
		out[i] = asked{subject: user(n), employee: user(n), teams: []string{group(), group()}}
		if level != "own" {
			out[i].employee = user(draw.IntN(users))
		}
	}
	return out
}

// BenchmarkPrepare reads a question of one fact.
func BenchmarkPrepare(b *testing.B) {
	m := benchCompile(b)
	s := benchTenant(b, m, 1_000)
	properties, _ := structpb.NewStruct(map[string]any{"employee": user(7)})
	q := &policy.Question{Subject: &klinkev1.QuestionSubject{Type: "user", Id: user(3)}, Action: &klinkev1.QuestionAction{Name: "own"},
		Resource: &klinkev1.QuestionResource{Type: "recording", Id: "r", Properties: properties}}
	var r policy.Request
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Prepare(&r, q, s.Plan().Normalise); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply makes one change to a tenant, and undoes it with the next.
func BenchmarkApply(b *testing.B) {
	m := benchCompile(b)
	assignment := func(role, holder string) *klinkev1.Record {
		return &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{Role: role, Holder: holder}}}
	}
	for _, users := range benchSizes {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			s := restore(b, m, checkpoint(b, benchTenant(b, m, users)))
			kinds := map[string][2]*klinkev1.Change{
				"user":       {put(assignment("role7", "user:"+user(users/2))), drop(assignment("role7", "user:"+user(users/2)))},
				"role":       {put(cell("role3", "recording.other", "any")), put(cell("role3", "recording.other", "own"))},
				"everybody":  {put(assignment("role9", "everybody")), drop(assignment("role9", "everybody"))},
				"department": {put(assignment("role9", "department+:d900")), drop(assignment("role9", "department+:d900"))},
			}
			for _, kind := range []string{"user", "role", "department", "everybody"} {
				b.Run(kind, func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						out, err := policy.Apply(s, []*klinkev1.Change{kinds[kind][i&1]}, benchStamp(m))
						if err != nil {
							b.Fatal(err)
						}
						s = out.Next
					}
				})
			}
		})
	}
}

func put(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}}
}

func drop(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: r}}
}

func cell(role, permission, level string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: &klinkev1.Cell{Role: role, Permission: permission, Level: level}}}
}

// BenchmarkRestore builds a snapshot from its checkpoint and reports what a user of it weighs: what the heap holds more than
// with the same directory without its users. Ids have 12 bytes, labels stay on disk.
func BenchmarkRestore(b *testing.B) {
	m := benchCompile(b)
	for _, users := range benchSizes {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			empty := weigh(b, m, checkpoint(b, benchTenant(b, m, 0)))
			chunks := checkpoint(b, benchTenant(b, m, users))
			full := weigh(b, m, chunks)
			for b.Loop() {
				restore(b, m, chunks)
			}
			b.ReportMetric(float64(full-empty)/float64(users), "bytes/user")
		})
	}
}

// weigh is what the heap holds more with a restored tenant than without.
func weigh(tb testing.TB, m *policy.Model, chunks [][]byte) int64 {
	tb.Helper()
	before := heap()
	s := restore(tb, m, chunks)
	with := heap()
	runtime.KeepAlive(s)
	runtime.KeepAlive(chunks)
	return int64(with) - int64(before)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
