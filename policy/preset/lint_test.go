// This test promises that the files which are shipped say nothing by mistake: what `klinke lint` finds in a preset, its world
// or a demonstration account is said there to be meant.
package preset_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/lint"
	"github.com/klinke-authz/klinke/policy/world"
)

func TestLint(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	excused := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r *lint.Report
		if bytes.Contains(data, []byte("\ntenant:")) {
			var src *account.Source
			w, err := world.Read(file, bytes.NewReader(data), func(name string, _ uint32) (*policy.Model, error) {
				src = source(t, name)
				return src.Compile(1)
			})
			if err != nil {
				t.Fatal(err)
			}
			r = lint.Account(w, src, data)
		} else {
			r = lint.Model(source(t, strings.TrimSuffix(file, ".yaml")))
		}
		excused += len(r.Excused)
		for _, f := range r.Findings {
			t.Errorf("%s: %s: %s", f.Place, f.Code, f.What)
		}
	}
	if excused == 0 {
		t.Error("nothing was found at all, though the presets have surprises")
	}
}
