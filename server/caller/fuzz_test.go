// This fuzz target promises that no file of callers makes the reader panic or repeat a digest, and that an edit of any file
// that is read leaves all callers of it as they were.
package caller

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "callers: []", "callers:\n  - {name: a, powers: [check], tenants: all, " + someProof + "}\n", byCertificate,
		"# a\ncallers: # b\n- name: 'c' # d\n  # e\n  powers: [check]\n  tenants: [\"12\", yes, 'null', ~x]\n  certificate: a.b\n  expires: 2027-01-01T00:00:00+02:00\n",
		"callers: &a [*a]", "? callers\n: [{}]", "{callers: [{name: a, powers: [check], tenants: [t], certificate: c}]}", "---\ncallers: []\n...\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		before, err := Parse("callers.yaml", []byte(content))
		if err != nil {
			if strings.Contains(err.Error(), someDigest[len(digestMark):]) && strings.Contains(content, "digest: "+someDigest) {
				t.Errorf("the error repeats a digest: %v", err)
			}
			return
		}
		if len(before.callers) > 100 {
			return
		}
		path := filepath.Join(t.TempDir(), "callers.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		const name = "a name that is not taken yet"
		if byName(before)[name] != nil {
			return
		}
		if _, err := Create(path, Caller{Name: name, Powers: Of(Check), All: true}); err != nil {
			t.Fatalf("an edit of %q: %v", content, err)
		}
		after, err := Read(path)
		if err != nil {
			t.Fatalf("after an edit of %q: %v", content, err)
		}
		if added, removed, changed := differences(before, after); len(added) != 1 || added[0] != name || len(removed)+len(changed) > 0 {
			t.Errorf("an edit of %q added %v, removed %v, changed %v", content, added, removed, changed)
		}
		if err := Revoke(path, name); err != nil {
			t.Fatal(err)
		}
		last, err := Read(path)
		if err != nil {
			t.Fatalf("after a revocation in %q: %v", content, err)
		}
		if added, removed, changed := differences(before, last); len(added)+len(removed)+len(changed) > 0 {
			t.Errorf("a revocation in %q added %v, removed %v, changed %v", content, added, removed, changed)
		}
	})
}
