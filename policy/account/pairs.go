package account

// begin begins an entry: one without a record of its own only adds to what is there.
func (t *things) begin() []pair {
	if t.own == nil {
		return []pair{{"known", word("true")}}
	}
	return nil
}

func (t *things) end(ps []pair, edges ...string) []pair {
	for _, e := range edges {
		if words := t.edges[e]; len(words) > 0 {
			ps = append(ps, pair{word(e), words})
		}
	}
	return ps
}

func labelled(ps []pair, labels map[string]string) []pair {
	if len(labels) == 0 {
		return ps
	}
	return append(ps, pair{"label", sortedPairs(labels)})
}

func sitePairs(t *things) []pair {
	ps := t.begin()
	if s := t.own.GetSite(); s != nil {
		ps = append(ps, pair{"region", quote(s.GetRegion())})
		ps = optional(ps, "access", s.GetAccessDigits())
		if s.GetDefault() {
			ps = append(ps, pair{"default", word("true")})
		}
	}
	return t.end(ps, "emergency")
}

func departmentPairs(t *things) []pair {
	d := t.own.GetDepartment()
	return t.end(labelled(optional(t.begin(), "under", d.GetParent()), d.GetLabels()), "heads", "members")
}

func groupPairs(t *things) []pair {
	return t.end(labelled(t.begin(), t.own.GetGroup().GetLabels()), "members")
}

func rolePairs(t *things) []pair {
	r := t.own.GetRole()
	ps := optional(labelled(t.begin(), r.GetLabels()), "under", r.GetUnder())
	if r.GetNotAssignable() {
		ps = append(ps, pair{"assignable", word("false")})
	}
	ps = t.end(optional(ps, "origin", r.GetOrigin()), "includes")
	if len(t.grants) == 0 {
		return t.end(ps, "grants")
	}
	grants := make([]any, 0, len(t.grants)+len(t.edges["grants"]))
	for _, w := range t.edges["grants"] {
		grants = append(grants, w)
	}
	for _, g := range t.grants {
		grants = append(grants, g)
	}
	return append(ps, pair{"grants", grants})
}

func subjectPairs(t *things) []pair {
	s := t.own.GetSubject()
	ps := optional(t.begin(), "label", s.GetLabel())
	if s.GetInactive() {
		ps = append(ps, pair{"active", word("false")})
	}
	if flags := s.GetFlags(); len(flags) > 0 {
		ps = append(ps, pair{"flags", quoteAll(flags)})
	}
	if attributes := s.GetAttributes(); len(attributes) > 0 {
		ps = append(ps, pair{"attributes", sortedPairs(attributes)})
	}
	return t.end(ps, "roles", "groups", "departments", "leads")
}
