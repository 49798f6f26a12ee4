// These fuzz targets prove that no bytes make the readers panic, and that whatever they accept is written and read as the
// same again.
package account

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func FuzzModel(f *testing.F) {
	f.Add(bomb(3))
	f.Add("model: m\nuses: [telephony]\ncombine: lowest\nlevels: {s: {no: [], own: [own], yes: any, default: own}}\ntypes: {t: {attributes: {o: user, p: \"t?\"}, relations: {own: {is: o}},\n" +
		"  actions: {x: {level: s, gate: [{any: [own, {absent: p}]}]}}}}\nroles: {r: {grants: [t.x@own]}}\nassignments: [{role: r, to: everybody}]")
	f.Add("schedules: {s: {zone: UTC, hours: {mon-fri: [\"08:00\", \"18:00\"]}}}\nregions: {DE: {country: \"49\", international: \"00\", emergency: [\"112\"]}}")
	f.Add("uses: [mixin]\ntypes: {a: &a {actions: {x: }}, b: {<<: [*a, {levels: {s: {n: []}}}]}}")
	mixin := mixins(map[string]string{"mixin": "types: {a: {actions: {x: {gate: [{is: id}]}}}}", "telephony": "flags: [x]"})
	f.Fuzz(func(t *testing.T, file string) {
		m, err := Model("m.yaml", []byte(file), mixin)
		if err != nil {
			if m != nil {
				t.Error("an error and a model")
			}
			return
		}
		again, err := Model("m.yaml", []byte(file), mixin)
		if err != nil || !proto.Equal(m, again) {
			t.Errorf("read twice, two models: %v", err)
		}
		if _, err := proto.Marshal(m); err != nil {
			t.Errorf("the model is no message: %v", err)
		}
	})
}

func FuzzAccount(f *testing.F) {
	f.Add("tenant: t\nmodel: m\ndepartments: {d: {label: {de: D}, heads: [a]}}\nroles: {r: {grants: [t.x@y, {grant: t.z, when: c}]}}\n" +
		"object_grants: [{to: a, grant: t.x@y, on: \"t:1\", until: 2026-01-01T00:00:00Z}]\nlists: {l: [\"+49*\"]}")
	f.Add("tenant: t\nquestions: [{ask: \"a read t:1 field f\", facts: {x: null}, context: {n: 1}, at: 2026-01-01T00:00:00Z, expect: deny, reason: GATE}]")
	f.Add("tenant: t\nusers: {a: &a {groups: [g]}, b: *a, c: {<<: *a, known: true}}\nsettings: {x: {\"\": 1}}\n---\nlimits: [{limit: l, to: everybody, values: []}]")
	f.Fuzz(func(t *testing.T, file string) {
		as, err := decode(file)
		if err != nil {
			return
		}
		before := latest(records(as))
		text, err := encode(before)
		if err != nil && strings.Contains(err.Error(), "above itself") {
			return // a circle over several documents, which Apply refuses
		}
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again, err := decode(text)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, text)
		}
		if d := difference(before, latest(records(again))); d != "" {
			t.Fatalf("%s\n%s", d, text)
		}
	})
}

// latest keeps, of several puts of one record, the last.
func latest(rs []*klinkev1.Record) []*klinkev1.Record {
	var out []*klinkev1.Record
	place := map[string]int{}
	for _, r := range rs {
		kind, parts := policy.RecordKey(r)
		key := string(policy.AppendKey(nil, kind, parts))
		if i, ok := place[key]; ok {
			out[i] = r
			continue
		}
		place[key] = len(out)
		out = append(out, r)
	}
	return out
}

// FuzzRecords starts from records instead: what Put accepts must be read as the same.
func FuzzRecords(f *testing.F) {
	for _, rs := range [][]*klinkev1.Record{{user("a"), member("g", "user:a")}, {department("d", "e"), member("g", "role+:r")}} {
		e := &klinkev1.Entry{}
		for _, r := range rs {
			e.Changes = append(e.Changes, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}})
		}
		data, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e klinkev1.Entry
		if (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &e) != nil {
			return
		}
		var before []*klinkev1.Record
		for _, c := range e.GetChanges() {
			if k, _ := policy.RecordKey(c.GetPut()); k > klinkev1.RecordKind_RECORD_KIND_USE_MODEL {
				before = append(before, c.GetPut())
			}
		}
		before = latest(before)
		text, err := encode(before)
		if err != nil {
			return
		}
		as, err := decode(text)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, text)
		}
		if d := difference(before, records(as)); d != "" {
			t.Fatalf("%s\n%s", d, text)
		}
	})
}
