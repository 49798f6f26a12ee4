package dial

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Site is a place from which people dial.
type Site struct {
	// ID is unique in the tenant and not empty.
	ID string
	// Region names one of the model's regions.
	Region string
	// AccessDigits are dialled to reach an outside line; empty for none, at most 3.
	AccessDigits string
	// Default marks the site of questions that name none; at most one site.
	Default bool
	// Emergency are numbers beyond the region's, of 3 to 6 digits.
	Emergency []string
}

// Plan knows how numbers are dialled in one tenant: the model's regions and number types, and the tenant's sites. It
// never changes and is safe for concurrent use. Make it with [NewPlan]; the zero Plan is not usable.
type Plan struct {
	regions map[string]*region
	home    *region // the model's default region; nil when it has no regions
	types   map[string]klinkev1.NumberType
	sites   map[string]*place
	unnamed *place // for questions that name no site
	nowhere *place // for sites that the plan does not know
}

// region is one of the model's dialling plans.
type region struct {
	code          string // the country calling code
	country       int    // the same as a number
	iso           string // the phone library's name for it
	trunk         string
	international string
	emergency     []string
}

// place is where a question is asked from. Without a region only numbers with a plus sign can be read.
type place struct {
	region    *region
	access    string
	emergency numbers
}

// NewPlan makes a plan without sites from a model, which it does not keep. A model without regions gives a plan that
// reads only numbers with a plus sign. The error names the region, prefix or number that is malformed.
func NewPlan(m *klinkev1.Model) (*Plan, error) {
	p := &Plan{
		regions: make(map[string]*region, len(m.GetRegions())),
		types:   make(map[string]klinkev1.NumberType, len(m.GetNumberTypes())),
	}
	for _, r := range m.GetRegions() {
		if p.regions[r.GetName()] != nil {
			return nil, fmt.Errorf("region %s: declared twice", r.GetName())
		}
		g, err := newRegion(r)
		if err != nil {
			return nil, err
		}
		p.regions[r.GetName()] = g
	}
	p.home = p.regions[m.GetDefaultRegion()]
	if p.home == nil && (m.GetDefaultRegion() != "" || len(p.regions) > 0) {
		return nil, fmt.Errorf("default region %q is not one of the model's regions", m.GetDefaultRegion())
	}
	for _, t := range m.GetNumberTypes() {
		prefix, kind := t.GetPrefix(), t.GetType()
		_, known := klinkev1.NumberType_name[int32(kind)]
		switch {
		case len(prefix) == 0 || prefix[0] != '+' || len(prefix) > 1+maxDigits || !digitsOnly(prefix[1:]):
			return nil, fmt.Errorf("number type prefix %q must be a plus sign and at most %d digits", prefix, maxDigits)
		case p.types[prefix] != klinkev1.NumberType_NUMBER_TYPE_UNSPECIFIED:
			return nil, fmt.Errorf("number type prefix %q: declared twice", prefix)
		case !known || kind == klinkev1.NumberType_NUMBER_TYPE_UNSPECIFIED:
			return nil, fmt.Errorf("number type prefix %q: no such type (%d)", prefix, kind)
		case kind == klinkev1.NumberType_NUMBER_TYPE_INTERNAL:
			return nil, fmt.Errorf("number type prefix %q: internal numbers are the tenant's extensions, not a prefix", prefix)
		}
		p.types[prefix] = kind
	}
	return p.WithSites(nil)
}

func newRegion(r *klinkev1.Region) (*region, error) {
	name := r.GetName()
	switch {
	case name == "":
		return nil, errors.New("region without a name")
	case len(r.GetCountry()) == 0 || len(r.GetCountry()) > 3 || !digitsOnly(r.GetCountry()) || r.GetCountry()[0] == '0':
		return nil, fmt.Errorf("region %s: country %q must be a country calling code of 1 to 3 digits", name, r.GetCountry())
	case len(r.GetTrunk()) > 3 || !digitsOnly(r.GetTrunk()):
		return nil, fmt.Errorf("region %s: trunk prefix %q must be at most 3 digits", name, r.GetTrunk())
	case len(r.GetInternational()) == 0 || len(r.GetInternational()) > 5 || !digitsOnly(r.GetInternational()):
		return nil, fmt.Errorf("region %s: international prefix %q must be 1 to 5 digits", name, r.GetInternational())
	}
	for _, n := range r.GetEmergency() {
		if err := checkEmergency("region "+name, n); err != nil {
			return nil, err
		}
	}
	country, _ := strconv.Atoi(r.GetCountry()) // at most three digits, as checked
	g := &region{
		code: r.GetCountry(), country: country, iso: strings.ToUpper(name),
		trunk: r.GetTrunk(), international: r.GetInternational(), emergency: r.GetEmergency(),
	}
	switch phonenumbers.GetCountryCodeForRegion(g.iso) {
	case country:
	case 0: // a name of the vendor's own, such as one for a province
		g.iso = phonenumbers.GetRegionCodeForCountryCode(country)
		if g.iso == phonenumbers.UNKNOWN_REGION || g.iso == worldRegion {
			return nil, fmt.Errorf("region %s: no country has the calling code %d", name, country)
		}
	default:
		return nil, fmt.Errorf("region %s: its country calling code is %d, not %d", name, phonenumbers.GetCountryCodeForRegion(g.iso), country)
	}
	return g, nil
}

// WithSites returns a plan of the same model with these sites instead of its own. The error names the site that is
// malformed, doubled, a second default, or in a region that the model does not have.
func (p *Plan) WithSites(sites []Site) (*Plan, error) {
	out := &Plan{regions: p.regions, home: p.home, types: p.types, sites: make(map[string]*place, len(sites))}
	all := numbers{}
	plain := make(map[*region]map[string]numbers, len(p.regions)) // sites without numbers of their own share theirs
	for _, g := range p.regions {
		plain[g] = map[string]numbers{"": g.numbers("")}
		maps.Copy(all, plain[g][""])
	}
	for _, s := range sites {
		g, err := p.checkSite(s)
		if err != nil {
			return nil, err
		}
		if out.sites[s.ID] != nil {
			return nil, fmt.Errorf("site %s: declared twice", s.ID)
		}
		set := plain[g][s.AccessDigits]
		if set == nil {
			set = g.numbers(s.AccessDigits)
			plain[g][s.AccessDigits] = set
			maps.Copy(all, set)
		}
		if len(s.Emergency) > 0 {
			set = maps.Clone(set)
			for _, n := range s.Emergency {
				set.add(s.AccessDigits, n)
			}
			maps.Copy(all, set)
		}
		out.sites[s.ID] = &place{region: g, access: s.AccessDigits, emergency: set}
		if s.Default {
			if out.unnamed != nil {
				return nil, fmt.Errorf("site %s: a tenant has one default site, and it has another already", s.ID)
			}
			out.unnamed = out.sites[s.ID]
		}
	}
	out.nowhere = &place{emergency: all}
	switch {
	case out.unnamed != nil:
	case len(sites) == 0 && p.home != nil:
		out.unnamed = &place{region: p.home, emergency: plain[p.home][""]}
	default: // numbers are read by the default region; an emergency call could come from any site
		out.unnamed = &place{region: p.home, emergency: all}
	}
	return out, nil
}

func (p *Plan) checkSite(s Site) (*region, error) {
	g := p.regions[s.Region]
	switch {
	case s.ID == "":
		return nil, errors.New("site without an id")
	case g == nil:
		return nil, fmt.Errorf("site %s: the model has no region %q", s.ID, s.Region)
	case len(s.AccessDigits) > maxAccess || !digitsOnly(s.AccessDigits):
		return nil, fmt.Errorf("site %s: access digits %q must be at most %d digits", s.ID, s.AccessDigits, maxAccess)
	}
	for _, n := range s.Emergency {
		if err := checkEmergency("site "+s.ID, n); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// HasSite reports whether the plan has a site of this id.
func (p *Plan) HasSite(id string) bool { return p.sites[id] != nil }

// place finds where a question is asked from.
func (p *Plan) place(site string) *place {
	if site == "" {
		return p.unnamed
	}
	if s := p.sites[site]; s != nil {
		return s
	}
	return p.nowhere
}

// numbers makes the set of the region's emergency numbers.
func (g *region) numbers(access string) numbers {
	set := make(numbers, 2*len(g.emergency))
	for _, n := range g.emergency {
		set.add(access, n)
	}
	return set
}
