package policy

import (
	"errors"
	"iter"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const (
	checkpointFormat = 2
	checkpointOldest = 1         // the oldest that is read: numbers are records
	checkpointRows   = 8_000     // subjects or combinations in a chunk: under the store's 256 KiB with ids of common length
	checkpointCodes  = 25_000    // numbers in a chunk
	checkpointBytes  = 200 << 10 // of ids or records in a chunk
)

// Checkpoint writes the snapshot down in chunks of at most 256 KiB, to be restored by a Restorer.
func (s *Snapshot) Checkpoint() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for chunk := range s.chunks() {
			b, err := proto.Marshal(chunk)
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// chunks is the checkpoint before it becomes bytes. Entities come in the order of their numbers, and are counted anew.
func (s *Snapshot) chunks() iter.Seq[*klinkev1.CheckpointChunk] {
	return func(yield func(*klinkev1.CheckpointChunk) bool) {
		w := &checkpointer{s: s, yield: yield, group: map[uint32]uint32{}, department: map[uint32]uint32{}, role: map[uint32]uint32{}}
		header := &klinkev1.CheckpointHeader{Format: checkpointFormat, Flags: s.model.source.GetFlags(),
			UseModel: &klinkev1.UseModel{Model: s.model.Name(), Version: s.model.Version()},
			Subjects: uint32(s.count.subjects), Combinations: s.classes.live}
		w.emit(&klinkev1.CheckpointChunk{Header: header})
		for _, step := range []func(){w.settings, w.roles, w.departments, w.groups, w.subjects, w.relations, w.ofSubjects, w.grants, w.sharing, w.numbers} {
			if step(); w.stopped {
				return
			}
		}
		w.flush()
	}
}

type checkpointer struct {
	s                       *Snapshot
	yield                   func(*klinkev1.CheckpointChunk) bool
	stopped                 bool
	group, department, role map[uint32]uint32 // the numbers in the checkpoint
	records                 []*klinkev1.CheckpointRecord
	size                    int
}

func (w *checkpointer) emit(c *klinkev1.CheckpointChunk) {
	if !w.stopped && !w.yield(c) {
		w.stopped = true
	}
}

func (w *checkpointer) flush() {
	if len(w.records) > 0 {
		w.emit(&klinkev1.CheckpointChunk{Records: w.records})
		w.records, w.size = nil, 0
	}
}

func (w *checkpointer) add(r *klinkev1.Record, text digest) {
	c := &klinkev1.CheckpointRecord{Record: r}
	if text != (digest{}) {
		c.Text = text[:]
	}
	n := proto.Size(c) + 8
	if w.size+n > checkpointBytes {
		w.flush()
	}
	w.records, w.size = append(w.records, c), w.size+n
}

func (w *checkpointer) roles() {
	s := w.s
	var visit func(n uint32) // parents first
	visit = func(n uint32) {
		r := *s.roles.get(n)
		if _, done := w.role[n]; done || r.id == "" {
			return
		}
		under := ""
		if r.parent != 0 {
			visit(r.parent - 1)
			under = (*s.roles.get(r.parent - 1)).id
		}
		w.role[n] = uint32(len(w.role))
		w.add(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: r.id, Under: under, NotAssignable: r.notAssignable}}}, r.text)
	}
	for n := range s.roles.len() {
		visit(n)
	}
	for n := range s.roles.len() {
		r := *s.roles.get(n)
		for _, i := range r.includes {
			w.add(&klinkev1.Record{Record: &klinkev1.Record_RoleInclude{
				RoleInclude: &klinkev1.RoleInclude{Role: r.id, Included: (*s.roles.get(i)).id}}}, digest{})
		}
		for _, c := range r.cells {
			x := &klinkev1.Cell{Role: r.id, Permission: c.pattern, Level: c.level}
			if c.cond != nil {
				x.When = c.cond.source
			}
			if c.sched != nil {
				x.Schedule = c.sched.name
			}
			w.add(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: x}}, digest{})
		}
	}
}

func (w *checkpointer) departments() {
	s := w.s
	var visit func(n uint32)
	visit = func(n uint32) {
		x := *s.departments.get(n)
		if _, done := w.department[n]; done || x.id == "" {
			return
		}
		parent := ""
		if x.parent != 0 {
			visit(x.parent - 1)
			parent = (*s.departments.get(x.parent - 1)).id
		}
		w.department[n] = uint32(len(w.department))
		w.add(&klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: x.id, Parent: parent}}}, x.text)
	}
	for n := range s.departments.len() {
		visit(n)
	}
}

func (w *checkpointer) groups() {
	for n := range w.s.groups.len() {
		if g := *w.s.groups.get(n); g.id != "" {
			w.group[n] = uint32(len(w.group))
			w.add(&klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: g.id}}}, g.text)
		}
	}
	w.flush()
}

// columnar is a class's edges as the checkpoint's combinations hold them; the others come as records of their own.
func (w *checkpointer) columnar(dst []uint32, edges []edge) []uint32 {
	from := len(dst)
	for _, e := range edges {
		n := e.number()
		switch e.kind() {
		case edgeApp, edgeFlag:
		case edgeGroup:
			n = w.group[n]
		case edgeDepartment, edgeHead:
			n = w.department[n]
		case edgeRole:
			n = w.role[n]
		default:
			continue
		}
		dst = append(dst, uint32(e.kind())|n)
	}
	slices.Sort(dst[from:])
	return dst
}

func (w *checkpointer) subjects() {
	s := w.s
	number := make([]uint32, s.classes.n)
	out := &klinkev1.CheckpointCombinations{}
	done := uint32(0)
	for n := range s.classes.n {
		if s.classes.refs(n) == 0 {
			continue
		}
		number[n] = done
		done++
		before := len(out.Edges)
		out.Edges = w.columnar(out.Edges, s.classes.edges(n))
		out.Lengths = append(out.Lengths, uint32(len(out.Edges)-before))
		if len(out.Lengths) >= checkpointRows || len(out.Edges) >= checkpointBytes/4 {
			w.emit(&klinkev1.CheckpointChunk{Combinations: out})
			out = &klinkev1.CheckpointCombinations{}
		}
	}
	w.emit(&klinkev1.CheckpointChunk{Combinations: out})
	rows := &klinkev1.CheckpointSubjects{}
	texts := false
	flush := func() {
		if !texts {
			rows.Texts = nil
		}
		w.emit(&klinkev1.CheckpointChunk{Subjects: rows})
		rows, texts = &klinkev1.CheckpointSubjects{}, false
	}
	s.subjects.all(func(space byte, id []byte, row *subject) bool {
		c := number[row.bits&subjectClass] * 2
		if row.bits&subjectInactive != 0 {
			c++
		}
		rows.Ids = append(append(rows.Ids, space), id...)
		rows.Lengths = append(rows.Lengths, uint32(len(id)+1))
		rows.Combinations = append(rows.Combinations, c)
		rows.Texts = append(rows.Texts, row.text[:]...)
		texts = texts || row.text != digest{}
		if len(rows.Lengths) >= checkpointRows || len(rows.Ids) >= checkpointBytes/2 {
			flush()
		}
		return !w.stopped
	})
	flush()
	attrs := slices.Sorted(maps.Keys(s.model.userAttr))
	s.attributes.all(func(space byte, id []byte, row *[]string) bool {
		x := &klinkev1.Subject{Type: subjectType(space), Id: string(id), Attributes: map[string]string{}}
		for _, name := range attrs {
			if v := (*row)[s.model.userAttr[name]]; v != "" {
				x.Attributes[name] = v
			}
		}
		w.add(&klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: x}}, digest{})
		return !w.stopped
	})
	w.flush()
}

func subjectType(space byte) klinkev1.SubjectType {
	if space == spaceApp {
		return klinkev1.SubjectType_SUBJECT_TYPE_APP
	}
	return klinkev1.SubjectType_SUBJECT_TYPE_USER
}

// relations writes what is given to holders other than subjects.
func (w *checkpointer) relations() {
	s := w.s
	for n := range s.groups.len() {
		g := *s.groups.get(n)
		for _, m := range g.members {
			w.add(&klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: g.id, Member: s.holderText(m)}}}, digest{})
		}
	}
	s.bags(w.bag)
}

func (w *checkpointer) bag(h holder, b *bag) {
	s := w.s
	name := s.holderText(h)
	for _, r := range b.roles {
		t := timed{role: r.role}
		if r.timed != 0 {
			t = *s.timed.get(r.timed - 1)
		}
		w.add(s.assignmentRecord(t, name), digest{})
	}
	for _, c := range b.ceilings {
		w.add(s.ceilingRecord(c, name), digest{})
	}
	for _, l := range b.limits {
		w.add(s.limitRecord(l, name), digest{})
	}
}

// ofSubjects writes what subjects have of their own beyond the columns.
func (w *checkpointer) ofSubjects() {
	s := w.s
	s.subjects.all(func(space byte, id []byte, row *subject) bool {
		edges := s.classes.edges(row.bits & subjectClass)
		for _, e := range edges[countBefore(edges, edgeTimed):] {
			name := who{space, string(id)}.String()
			switch e.kind() {
			case edgeTimed:
				w.add(s.assignmentRecord(*s.timed.get(e.number()), name), digest{})
			case edgeCeiling:
				w.add(s.ceilingRecord(*s.ceilings.get(e.number()), name), digest{})
			case edgeLimit:
				w.add(s.limitRecord(*s.limits.get(e.number()), name), digest{})
			}
		}
		return !w.stopped
	})
}

func (w *checkpointer) grants() {
	s := w.s
	for i := range s.objects {
		s.objects[i].all(func(_ byte, _ []byte, row *[]uint32) bool {
			for _, no := range *row {
				w.add(s.grantRecord(s.grants.get(no)), digest{})
			}
			return !w.stopped
		})
	}
}

func (w *checkpointer) sharing() {
	for n := range w.s.sharing.len() {
		if r := w.s.sharing.get(n); r.level != klinkev1.SharingLevel_SHARING_LEVEL_UNSPECIFIED {
			w.add(w.s.sharingRecord(r), digest{})
		}
	}
}

func (w *checkpointer) settings() {
	s := w.s
	for no := range s.settings {
		v, name := &s.settings[no], s.model.settings[no].name
		if v.set {
			w.add(&klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{Name: name, Value: v.plain}}}, digest{})
		}
		for scope, value := range v.scoped {
			text := s.model.types[scope.typ].name
			if scope.field != "" {
				text += "." + scope.field
			}
			w.add(&klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{Name: name, Scope: text, Value: value}}}, digest{})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		if k := s.services[name]; k != s.model.services[name] {
			w.add(&klinkev1.Record{Record: &klinkev1.Record_ServiceClass{ServiceClass: k.source}}, digest{})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.sites)) {
		x := s.sites[id]
		w.add(&klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{
			Id: x.ID, Region: x.Region, AccessDigits: x.AccessDigits, Default: x.Default}}}, digest{})
		for _, n := range x.Emergency {
			w.add(&klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: id, Number: n}}}, digest{})
		}
	}
}

func (w *checkpointer) numbers() {
	for i := range w.s.lists {
		out := &klinkev1.CheckpointNumbers{List: w.s.model.lists[i]}
		flush := func() {
			if len(out.GetCodes()) > 0 {
				w.emit(&klinkev1.CheckpointChunk{Numbers: out})
				out.Codes = out.GetCodes()[:0] // marshalled
			}
		}
		w.s.lists[i].all(func(code uint64) bool {
			if out.Codes = append(out.Codes, code); len(out.GetCodes()) == checkpointCodes {
				flush()
			}
			return !w.stopped
		})
		flush()
	}
}

// Restorer builds a snapshot from the chunks of a checkpoint, in their order. It is used by one goroutine.
type Restorer struct {
	d       *draft
	flags   []string // by the checkpoint's number
	classes []uint32 // likewise, each holding one reference for the restorer
	placed  []uint32 // how many subjects came for each of them
	edges   []edge   // scratch
}

// NewRestorer restores under the models that a function finds.
func NewRestorer(models func(name string, version uint32) (*Model, error)) *Restorer {
	return restorer(newDraft(Empty(), Stamp{Now: epoch, Models: models, Replay: true}))
}

// restorer builds a tenant in an empty draft.
func restorer(d *draft) *Restorer {
	d.whole = true
	return &Restorer{d: d}
}

var errCheckpoint = errors.New("the checkpoint is damaged")

// Add takes a chunk, which it does not keep.
func (r *Restorer) Add(chunk []byte) error {
	c := &klinkev1.CheckpointChunk{}
	if err := proto.Unmarshal(chunk, c); err != nil {
		return &Error{Kind: Damaged, Message: "a chunk of the checkpoint cannot be read", Cause: err}
	}
	if h := c.GetHeader(); h != nil {
		if f := h.GetFormat(); f < checkpointOldest || f > checkpointFormat {
			return Errorf(Format, "", "the checkpoint has format %d; this version reads %d to %d", f, checkpointOldest, checkpointFormat)
		}
		m, err := r.d.at.Models(h.GetUseModel().GetModel(), h.GetUseModel().GetVersion())
		if err != nil {
			return err
		}
		r.d.begin(m)
	}
	return r.take(c)
}

// Snapshot completes the restoration.
func (r *Restorer) Snapshot() (*Snapshot, error) {
	if r.d.s.model == nil {
		return nil, &Error{Kind: Damaged, Message: "the checkpoint has no header", Cause: errCheckpoint}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	r.d.s.subjects.compact()
	r.d.s.attributes.compact()
	r.d.s.classes.compact()
	return r.d.s, nil
}

// finish takes the restorer itself out of the classes and derives the rest.
func (r *Restorer) finish() error {
	r.settle()
	r.d.s.classes.marks = nil
	return r.d.finish()
}
