package account

import (
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// maxMixins bounds the mixins of a model, those of mixins included.
const maxMixins = 32

// Model reads a model file. `file` names it in messages and, without its extension, the model where the file has no key
// `model`. mixin returns the bytes of a file that `uses` names, nil for a name that it does not know; it may be nil when
// there are none. The model is complete (mixins and `every` are joined, levels are resolved), not yet compiled.
func Model(file string, data []byte, mixin func(string) ([]byte, error)) (*klinkev1.Model, error) {
	s, err := ReadModel(file, data, mixin)
	if err != nil {
		return nil, err
	}
	return s.Model, nil
}

// ReadModel is Model for those who ask where the pieces of the model stand.
func ReadModel(file string, data []byte, mixin func(string) ([]byte, error)) (*Source, error) {
	l := &loader{mixin: mixin}
	tree, err := l.load(file, data)
	if err != nil {
		return nil, err
	}
	m := &modelReader{tree: tree, model: &klinkev1.Model{}, kinds: testKinds(), places: map[proto.Message]Place{}, used: map[*node]bool{}}
	m.read(strings.TrimSuffix(path.Base(file), path.Ext(file)))
	s := &Source{Model: m.model, Files: l.files, Idle: m.idle(), places: m.places}
	return s, m.err
}

// loader joins a model file with its mixins.
type loader struct {
	mixin func(string) ([]byte, error)
	open  []string
	count int
	files []File // read so far
}

func (l *loader) load(file string, data []byte) (*node, error) {
	l.files = append(l.files, File{file, data})
	p := newParser(file, strings.NewReader(string(data)))
	tree, err := p.next()
	if err != nil || tree.shape != mapping {
		return nil, fileError(file, err, "this is no model file: a map is expected")
	}
	if _, err := p.next(); err == nil {
		return nil, policy.Errorf(policy.Invalid, file, "a model file is one document; a second one follows")
	} else if !isEnd(err) {
		return nil, err
	}
	r := &reader{}
	uses := tree.get("uses")
	for _, item := range r.items(uses) {
		name := r.name(item)
		if r.err != nil {
			break
		}
		base, err := l.use(item, name)
		if err != nil {
			return nil, err
		}
		tree = merge(base, tree)
	}
	return tree, r.err
}

func (l *loader) use(at *node, name string) (*node, error) {
	if slices.Contains(l.open, name) {
		return nil, at.errorf("the mixin `%s` uses itself", clip(name))
	}
	if l.count++; l.count > maxMixins {
		return nil, at.errorf("more than %d mixins", maxMixins)
	}
	var data []byte
	if l.mixin != nil {
		var err error
		if data, err = l.mixin(name); err != nil {
			e := at.errorf("the mixin `%s` cannot be read", clip(name))
			e.Cause = err
			return nil, e
		}
	}
	if data == nil {
		return nil, at.errorf("unknown mixin `%s`", clip(name))
	}
	l.open = append(l.open, name)
	defer func() { l.open = l.open[:len(l.open)-1] }()
	base, err := l.load(name, data)
	if err != nil {
		return nil, err
	}
	out := *base // the mixin's own name and mixins are settled: they are not the model's
	out.entries = slices.DeleteFunc(slices.Clone(base.entries), func(e entry) bool {
		return e.key.text == "uses" || e.key.text == "model"
	})
	return &out, nil
}

// modelReader turns the joined tree into a Model.
type modelReader struct {
	reader
	tree      *node
	model     *klinkev1.Model
	types     map[string]*typeScope
	typeNames []string            // in order
	kinds     map[string][]string // of tests
	places    map[proto.Message]Place
	used      map[*node]bool // scales that an action names
	spent     int            // tests and levels made; `every` and scales multiply them
}

func modelKeys() []string {
	return []string{"model", "uses", "combine", "direct_first", "flags", "users", "settings", "every", "levels", "types", "roles", "assignments",
		"schedules", "inheritance", "regions", "default_region", "number_types", "classes", "default_class"}
}

func (m *modelReader) read(name string) {
	m.model.Name, m.model.Combine = name, klinkev1.Combine_COMBINE_HIGHEST
	if fault := badName(name); m.tree.get("model") == nil && fault != "" {
		m.failf(m.tree, "the file's name cannot be the model's: %s; say `model: name`", fault)
	}
	m.declare(m.tree.get("types"))
	for _, e := range m.entries(m.tree) {
		m.section(e.key, e.value)
	}
}

func (m *modelReader) section(key, n *node) {
	switch key.text {
	case "model":
		m.model.Name = m.word(n, "a model", "@/")
	case "uses", "every", "levels": // joined already, or taken up by the types
	case "combine":
		m.combine(n)
	case "direct_first":
		m.model.DirectFirst = m.name(n)
		m.declared(n, "setting", m.tree.get("settings"))
	case "flags":
		m.model.Flags = m.flags(n)
	case "users":
		m.users(n)
	case "settings":
		m.settings(n)
	case "types":
		m.resourceTypes(n)
	case "roles":
		m.roles(n)
	case "assignments":
		for _, item := range m.items(n) {
			m.model.Assignments = append(m.model.Assignments, at(m, item, m.assignment(item)))
		}
	case "schedules":
		m.schedules(n)
	case "inheritance":
		m.inheritance(n)
	case "regions", "default_region", "number_types", "classes", "default_class":
		m.telephony(key.text, n)
	default:
		m.unknown(key, "key", modelKeys())
	}
}

// at notes where a piece of the model stands.
func at[M proto.Message](m *modelReader, n *node, piece M) M {
	m.places[piece] = n.place()
	return piece
}
func (m *modelReader) combine(n *node) {
	switch s := m.name(n); s {
	case "highest":
		m.model.Combine = klinkev1.Combine_COMBINE_HIGHEST
	case "lowest":
		m.model.Combine = klinkev1.Combine_COMBINE_LOWEST
	default:
		m.model.Combine, m.model.CombineSetting = klinkev1.Combine_COMBINE_SETTING, s
		m.declared(n, "setting", m.tree.get("settings"), "highest", "lowest")
	}
}

// declared refuses a word that is no key of a section of the file.
func (m *modelReader) declared(n *node, what string, section *node, also ...string) {
	if m.err != nil || section.get(n.text) != nil || slices.Contains(also, n.text) {
		return
	}
	known := slices.Clone(also)
	if section != nil {
		for _, e := range section.entries {
			known = append(known, e.key.text)
		}
	}
	m.unknown(n, what, known)
}

func (m *modelReader) flags(n *node) []string {
	var out []string
	for _, item := range m.items(n) {
		if f := m.word(item, "a flag", ".:@*"); !slices.Contains(out, f) { // a mixin may declare it too
			out = append(out, f)
		}
	}
	return out
}

func (m *modelReader) users(n *node) {
	for _, e := range m.entries(n) {
		if e.key.text != "attributes" {
			m.unknown(e.key, "key", []string{"attributes"})
			continue
		}
		m.model.UserAttributes = m.attributes(e.value)
	}
}

func (m *modelReader) settings(n *node) {
	for _, s := range m.named(n) {
		d := at(m, s.key, &klinkev1.SettingDeclaration{Name: s.key.text})
		for _, e := range m.entries(s.value) {
			switch e.key.text {
			case "default":
				v := m.settingValue(e.value)
				d.Default, d.Many = &v, e.value.shape == list
			case "values":
				for _, item := range m.items(e.value) {
					d.Values = append(d.Values, m.value(item))
				}
			default:
				m.unknown(e.key, "key", []string{"default", "values"})
			}
		}
		if d.Default != nil && len(d.Values) > 0 && !d.Many && !slices.Contains(d.Values, *d.Default) {
			m.failf(s.value.get("default"), "%s", unknown("value", *d.Default, d.Values))
		}
		m.model.Settings = append(m.model.Settings, d)
	}
}
