// These tests prove that facts on a command line are read by the kinds that the model declares, and nothing else.
package account

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

const factModel = `types: {t: {attributes: {employee: user, teams: groups, withheld: bool, number: number, parent: record, merged: records,
  app: app, owner: principal, state: text, line: id}}, bare: {}}`

func TestFacts(t *testing.T) {
	m := mustModel(t, factModel, nil)
	for _, c := range []struct{ pairs, want string }{
		{"employee=bert", `{"employee": "bert"}`},
		{"employee=null", `{"employee": null}`},
		{`employee="null"`, `{"employee": "null"}`},
		{"employee=", `{"employee": ""}`},
		{"teams=a,b", `{"teams": ["a", "b"]}`},
		{"teams=", `{"teams": []}`},
		{"teams=null", `{"teams": null}`},
		{`teams=["a,b"]`, `{"teams": ["a,b"]}`},
		{"withheld=true", `{"withheld": true}`},
		{"withheld=false number=110 state=true line=1=2", `{"withheld": false, "number": "110", "state": "true", "line": "1=2"}`},
		{`parent={"type":"t","id":"1"}`, `{"parent": {"type": "t", "id": "1"}}`},
		{`merged=[{"id":"1"}]`, `{"merged": [{"id": "1"}]}`},
		{"app=a owner=group:g", `{"app": "a", "owner": "group:g"}`},
		{"withheld=yes", "withheld: `yes` is not true, false or null"},
		{"emplyee=bert", "emplyee: unknown fact of `t` `emplyee` (did you mean `employee`?)"},
		{"parent=1", "parent: `1` is not a record in JSON, {\"type\": …, \"id\": …}"},
		{"merged={}", "merged: `{}` is not a list of records in JSON, [{\"type\": …, \"id\": …}]"},
		{`state="x`, "state: `\"x` is not a text in JSON's double quotes"},
		{"teams=[a", "teams: `[a` is not a list in JSON"},
		{"employee", "`employee` is no fact: write name=value"},
		{"employee=a employee=b", "employee: is said twice"},
	} {
		got, err := Facts(m, "t", strings.Fields(c.pairs))
		checkStruct(t, c.pairs, got, err, c.want)
	}
	_, err := Facts(m, "u", nil)
	checkStruct(t, "u", nil, err, "resource: unknown type `u` (known: t, bare)")
	_, err = Facts(m, "bare", []string{"a=b"})
	checkStruct(t, "bare", nil, err, "a: unknown fact of `bare` `a` (none is declared)")
	if s, err := Facts(m, "t", nil); s != nil || err != nil {
		t.Errorf("no facts are %v, %v", s, err)
	}
}

func checkStruct(t *testing.T, of string, got *structpb.Struct, err error, want string) {
	t.Helper()
	if err != nil {
		if err.Error() != want {
			t.Errorf("%s: %v, want %s", of, err, want)
		}
		return
	}
	s := &structpb.Struct{}
	if err := protojson.Unmarshal([]byte(want), s); err != nil || !proto.Equal(got, s) {
		t.Errorf("%s: %v, want %s", of, got, want)
	}
}

func TestContext(t *testing.T) {
	for _, c := range []struct{ pair, want string }{
		{"mfa=true", `{"mfa": true}`},
		{"mfa=null", `{"mfa": null}`},
		{"tries=2", `{"tries": 2}`},
		{"number=+4930", `{"number": "+4930"}`},
		{"number=0049", `{"number": "0049"}`},
		{"big=1e999", `{"big": "1e999"}`},
		{`s="2"`, `{"s": "2"}`},
		{`l=[1,"a"]`, `{"l": [1, "a"]}`},
		{"s=a b", `{"s": "a b"}`},
		{"s=", `{"s": ""}`},
		{"s={", "s: `{` is no JSON"},
	} {
		got, err := Context([]string{c.pair})
		checkStruct(t, c.pair, got, err, c.want)
	}
}
