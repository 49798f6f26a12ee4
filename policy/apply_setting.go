package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// settingScope checks a setting's name and scope.
func (d *draft) settingKey(x *klinkev1.Setting) (uint16, settingScope, error) {
	m := d.s.model
	no, ok := m.setNo[x.GetName()]
	if !ok {
		return 0, settingScope{}, Errorf(Invalid, "name", "the model declares no setting %q", x.GetName())
	}
	if x.GetScope() == "" {
		return no, settingScope{}, nil
	}
	typ, field, isField := strings.Cut(x.GetScope(), ".")
	t, ok := m.typeNo[typ]
	switch {
	case !ok:
		return 0, settingScope{}, Errorf(Invalid, "scope", "the model has no type %q", typ)
	case isField && !m.types[t].fields:
		return 0, settingScope{}, Errorf(Invalid, "scope", "type %q has no fields", typ)
	case isField:
		if err := checkField("scope", field); err != nil {
			return 0, settingScope{}, err
		}
	}
	return no, settingScope{typ: t, field: field}, nil
}

func (d *draft) putSetting(x *klinkev1.Setting) (bool, error) {
	no, scope, err := d.settingKey(x)
	if err != nil {
		return false, err
	}
	if err := d.s.model.settings[no].checkValue("value", x.GetValue()); err != nil {
		return false, err
	}
	if err := checkText(x.GetValue()); err != nil || len(x.GetValue()) > MaxFactBytes {
		return false, Errorf(Invalid, "value", "at most %d bytes of UTF-8 without control characters", MaxFactBytes)
	}
	v := &d.s.settings[no]
	if x.GetScope() == "" {
		if v.set && v.plain == x.GetValue() {
			return false, nil
		}
		v.set, v.plain = true, x.GetValue()
	} else {
		if old, ok := v.scoped[scope]; ok && old == x.GetValue() {
			return false, nil
		}
		scoped := maps.Clone(v.scoped)
		if scoped == nil {
			scoped = map[settingScope]string{}
		}
		scoped[scope] = x.GetValue()
		v.scoped = scoped
		v.index(len(d.s.model.types))
	}
	d.settled(no)
	return true, nil
}

func (d *draft) deleteSetting(x *klinkev1.Setting) (bool, error) {
	no, scope, err := d.settingKey(x)
	if err != nil {
		return false, err
	}
	v := &d.s.settings[no]
	if x.GetScope() == "" {
		if !v.set {
			return false, nil
		}
		v.set, v.plain = false, ""
	} else {
		if _, ok := v.scoped[scope]; !ok {
			return false, nil
		}
		v.scoped = maps.Clone(v.scoped)
		delete(v.scoped, scope)
		v.index(len(d.s.model.types))
	}
	d.settled(no)
	return true, nil
}

// index derives what is said of whole types.
func (v *settingValues) index(types int) {
	v.byType = make([]typeSetting, types)
	for scope, value := range v.scoped {
		if scope.field == "" {
			v.byType[scope.typ] = typeSetting{true, value}
		}
	}
}

// settled follows up a setting's change.
func (d *draft) settled(no uint16) {
	d.touched[klinkev1.ReadKind_READ_KIND_SETTINGS] = true
	m := d.s.model
	if m.source.GetCombine() == klinkev1.Combine_COMBINE_SETTING && no == m.combine || int(no) == m.direct {
		d.combination()
	}
}

// combination reads how roles are combined and which of them count, and has everything merged anew when that changed.
func (d *draft) combination() {
	m, lowest := d.s.model, false
	switch m.source.GetCombine() {
	case klinkev1.Combine_COMBINE_LOWEST:
		lowest = true
	case klinkev1.Combine_COMBINE_SETTING:
		lowest = d.s.setting(m.combine, 0, "") == "lowest"
	}
	direct := m.direct >= 0 && d.s.setting(uint16(m.direct), 0, "") == "true"
	if lowest != d.s.lowest || direct != d.s.direct {
		d.s.lowest, d.s.direct, d.regrouped, d.all = lowest, direct, true, true
	}
}

// setting is a setting's value for a type and a field: the most specific one, else the model's default, else nothing.
func (s *Snapshot) setting(no uint16, typ uint16, field string) string {
	v, _ := s.settingSet(no, typ, field)
	return v
}

// settingSet is setting; set is false when neither the tenant nor the model says a value.
func (s *Snapshot) settingSet(no uint16, typ uint16, field string) (value string, set bool) {
	v := &s.settings[no]
	if v.byType != nil {
		if field != "" {
			if x, ok := v.scoped[settingScope{typ, field}]; ok {
				return x, true
			}
		}
		if x := &v.byType[typ]; x.set {
			return x.value, true
		}
	}
	if v.set {
		return v.plain, true
	}
	declared := &s.model.settings[no]
	return declared.fallback, declared.has
}

func (d *draft) listed(x *klinkev1.ListedNumber) (uint16, uint64, error) {
	no, ok := d.s.model.listNo[x.GetList()]
	if !ok {
		return 0, 0, Errorf(Invalid, "list", "no test of the model uses a number list %q", x.GetList())
	}
	code, ok := numberCode(x.GetNumber(), x.GetPrefix())
	if !ok {
		return 0, 0, Errorf(Invalid, "number", "%q is neither E.164 (+4930123456) nor an extension's digits; at most %d digits", x.GetNumber(), MaxDigits)
	}
	return no, code, nil
}

func (d *draft) putListedNumber(x *klinkev1.ListedNumber) (bool, error) {
	no, code, err := d.listed(x)
	if err != nil {
		return false, err
	}
	l := &d.s.lists[no]
	if x.GetList() == ExtensionList {
		if x.GetPrefix() || strings.HasPrefix(x.GetNumber(), "+") {
			return false, Errorf(Invalid, "number", "an extension is its digits alone, one by one")
		}
		plan, err := d.plan()
		if err != nil {
			return false, err
		}
		if plan.IsEmergencySomewhere(x.GetNumber()) {
			return false, Errorf(Refused, "number", "%s is an emergency number, so it cannot be an extension", x.GetNumber())
		}
	}
	if l.n >= MaxNumbersInList && !l.has(code) {
		return false, Errorf(TooLarge, "", "a list holds at most %d numbers", MaxNumbersInList)
	}
	changed := l.put(d.b, code)
	if changed {
		d.lists[x.GetList()] = true
	}
	return changed, nil
}

func (d *draft) deleteListedNumber(x *klinkev1.ListedNumber) (bool, error) {
	no, code, err := d.listed(x)
	if err != nil {
		return false, err
	}
	changed := d.s.lists[no].delete(d.b, code)
	if changed {
		d.lists[x.GetList()] = true
	}
	return changed, nil
}

func (d *draft) putSite(x *klinkev1.Site) (bool, error) {
	if err := checkField("id", x.GetId()); err != nil {
		return false, err
	}
	if strings.Trim(x.GetAccessDigits(), "0123456789") != "" || len(x.GetAccessDigits()) > 3 {
		return false, Errorf(Invalid, "access_digits", "at most 3 digits")
	}
	old := d.s.sites[x.GetId()]
	next := &site{dial.Site{ID: x.GetId(), Region: x.GetRegion(), AccessDigits: x.GetAccessDigits(), Default: x.GetDefault()}}
	if old != nil {
		next.Emergency = old.Emergency
		if next.Region == old.Region && next.AccessDigits == old.AccessDigits && next.Default == old.Default {
			return false, nil
		}
	} else if len(d.s.sites) >= MaxSites {
		return false, Errorf(TooLarge, "", "a tenant has at most %d sites", MaxSites)
	}
	if next.Default {
		for _, s := range d.s.sites {
			if s.Default && s.ID != next.ID {
				return false, Errorf(Invalid, "default", "a tenant has one default site, and %q is it already", s.ID)
			}
		}
	}
	return true, d.putSiteOf("region", next)
}

func (d *draft) deleteSite(x *klinkev1.Site) (bool, error) {
	old := d.s.sites[x.GetId()]
	if old == nil {
		return false, nil
	}
	for _, n := range slices.Clone(old.Emergency) {
		err := d.cascade(&klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{
			EmergencyNumber: &klinkev1.EmergencyNumber{Site: old.ID, Number: n}}})
		if err != nil {
			return false, err
		}
	}
	delete(d.ownSites(), x.GetId())
	return true, nil
}

func (d *draft) putEmergencyNumber(x *klinkev1.EmergencyNumber) (bool, error) {
	old := d.s.sites[x.GetSite()]
	if old == nil {
		return false, Errorf(Invalid, "site", "there is no site %q", x.GetSite())
	}
	n := x.GetNumber()
	if len(n) < MinEmergencyDigits || len(n) > MaxEmergencyDigits || strings.Trim(n, "0123456789") != "" {
		return false, Errorf(Invalid, "number", "an emergency number has %d to %d digits", MinEmergencyDigits, MaxEmergencyDigits)
	}
	if slices.Contains(old.Emergency, n) {
		return false, nil
	}
	if len(old.Emergency) >= MaxEmergencyNumbers {
		return false, Errorf(TooLarge, "", "a site has at most %d emergency numbers of its own", MaxEmergencyNumbers)
	}
	next := *old
	next.Emergency = append(slices.Clone(old.Emergency), n)
	return true, d.putSiteOf("number", &next)
}

func (d *draft) deleteEmergencyNumber(x *klinkev1.EmergencyNumber) (bool, error) {
	old := d.s.sites[x.GetSite()]
	if old == nil || !slices.Contains(old.Emergency, x.GetNumber()) {
		return false, nil
	}
	next := *old
	next.Emergency = without(old.Emergency, x.GetNumber())
	d.ownSites()[next.ID] = &next
	return true, nil
}

// putSiteOf takes a site, unless it is malformed or would make an emergency number of a configured extension.
func (d *draft) putSiteOf(field string, x *site) error {
	alone, err := d.s.model.plan.WithSites([]dial.Site{x.Site})
	if err != nil {
		return Errorf(Invalid, field, "%v", err)
	}
	extensions := &d.s.lists[d.s.model.listNo[ExtensionList]]
	for n := range alone.EmergencyNumbers(x.ID) {
		if extensions.contains(n) {
			return Errorf(Refused, field, "extension %s would be an emergency number; delete it first", n)
		}
	}
	d.ownSites()[x.ID] = x
	return nil
}

// ownSites are the draft's own sites, about to be changed. The dialling plan is compiled anew when it is next looked at.
func (d *draft) ownSites() map[string]*site {
	if !d.ownsSites {
		d.ownsSites, d.s.sites = true, maps.Clone(d.s.sites)
	}
	d.planless = true
	d.touched[klinkev1.ReadKind_READ_KIND_SETTINGS] = true
	return d.s.sites
}

// plan is the dialling plan of the draft's sites.
func (d *draft) plan() (*dial.Plan, error) {
	if d.planless {
		var all []dial.Site
		for _, id := range slices.Sorted(maps.Keys(d.s.sites)) {
			all = append(all, d.s.sites[id].Site)
		}
		plan, err := d.s.model.plan.WithSites(all)
		if err != nil {
			return nil, Errorf(Internal, "", "sites that were taken one by one make no plan: %v", err)
		}
		d.s.plan, d.planless = plan, false
	}
	return d.s.plan, nil
}
