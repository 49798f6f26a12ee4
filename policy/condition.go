package policy

import (
	"fmt"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// conditions compiles CEL for one model: over `subject`, `actor`, `action`, `resource`, `context` and `now`, with the
// functions groups(id) and departments(id). Names and kinds are those that the model declares; where the resource's type
// is not known (an assignment reaches many), its facts are dynamic.
type conditions struct {
	base  *cel.Env // everything but `resource`
	facts *facts
}

// condition is a compiled condition. It may be evaluated from any goroutine.
type condition struct {
	source  string
	program cel.Program
	now     bool // it reads the clock, so that its outcome can be kept for no time at all
	facts   bool // it reads the resource, whose numbers are as the tenant's sites and extensions make them
}

// conditionScope is what a condition sees.
type conditionScope struct {
	vars                map[string]any
	groups, departments func(id string) ([]string, error)
}

func (c *conditions) init(m *Model) error {
	registry, err := types.NewRegistry()
	if err != nil {
		return err
	}
	c.facts = &facts{Registry: registry, objects: map[string]map[string]*types.Type{}}
	who := map[string]*types.Type{"type": types.StringType, "id": types.StringType}
	for _, a := range m.source.GetUserAttributes() {
		who[a.GetName()] = types.StringType
	}
	c.facts.objects["klinke.subject"] = who
	c.facts.objects["klinke.action"] = map[string]*types.Type{"name": types.StringType, "field": types.StringType}
	for i := range m.types {
		t := &m.types[i]
		fields := map[string]*types.Type{"type": types.StringType, "id": types.StringType}
		for _, a := range t.attrs {
			fields[a.name] = celType(a.kind)
		}
		c.facts.objects["klinke.type."+t.name] = fields
	}
	names := func(id string) cel.EnvOption {
		return cel.Function(id, cel.Overload(id+"_string", []*cel.Type{cel.StringType}, cel.ListType(cel.StringType), cel.LateFunctionBinding()))
	}
	c.base, err = cel.NewEnv(
		cel.CustomTypeProvider(c.facts), cel.CustomTypeAdapter(registry),
		cel.ParserExpressionSizeLimit(MaxConditionBytes), cel.ParserRecursionLimit(64),
		cel.Variable("subject", cel.ObjectType("klinke.subject")), cel.Variable("actor", cel.ObjectType("klinke.subject")),
		cel.Variable("action", cel.ObjectType("klinke.action")),
		cel.Variable("context", cel.MapType(cel.StringType, cel.DynType)), cel.Variable("now", cel.TimestampType),
		names("groups"), names("departments"),
	)
	return err
}

func celType(k klinkev1.AttributeKind) *types.Type {
	switch k {
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL:
		return types.BoolType
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS:
		return types.NewListType(types.StringType)
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD:
		return types.NewMapType(types.StringType, types.DynType)
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS:
		return types.NewListType(types.NewMapType(types.StringType, types.DynType))
	}
	return types.StringType
}

// compile type-checks a condition and bounds its cost; t is the resource's type, nil when any may come. The error is for
// people and names no field.
func (c *conditions) compile(t *resourceType, source string) (*condition, error) {
	if len(source) > MaxConditionBytes {
		return nil, fmt.Errorf("a condition of %d bytes; at most %d are allowed", len(source), MaxConditionBytes)
	}
	resource := cel.MapType(cel.StringType, cel.DynType)
	if t != nil {
		resource = cel.ObjectType("klinke.type." + t.name)
	}
	env, err := c.base.Extend(cel.Variable("resource", resource))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, fmt.Errorf("the condition does not compile: %w", issues.Err())
	}
	if ast.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("the condition yields %s, not a truth value", ast.OutputType())
	}
	estimate, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return nil, fmt.Errorf("the condition's cost cannot be bounded: %w", err)
	}
	if estimate.Max > MaxConditionCost {
		return nil, fmt.Errorf("the condition may cost %d; at most %d are allowed", estimate.Max, MaxConditionCost)
	}
	program, err := env.Program(ast, cel.CostLimit(MaxConditionCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	out := &condition{source: source, program: program}
	for _, r := range ast.NativeRep().ReferenceMap() {
		out.now = out.now || r.Name == "now"
		out.facts = out.facts || r.Name == "resource"
	}
	return out, nil
}

// holds evaluates the condition. An error means that it could not be: a missing fact, a wrong type, the cost limit.
func (c *condition) holds(scope *conditionScope) (bool, error) {
	vars, err := cel.FunctionVars(scope.vars, map[string]cel.LateBoundFunction{
		"groups": bound(scope.groups), "departments": bound(scope.departments),
	})
	if err != nil {
		return false, err
	}
	out, _, err := c.program.Eval(vars)
	if err != nil {
		return false, err
	}
	truth, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the condition yielded %s", out.Type().TypeName())
	}
	return bool(truth), nil
}

func bound(f func(id string) ([]string, error)) cel.LateBoundFunction {
	return func(_ string, args ...ref.Val) ref.Val {
		id, ok := args[0].(types.String)
		if !ok {
			return types.NewErr("an id must be a text")
		}
		names, err := f(string(id))
		if err != nil {
			return types.NewErr("%v", err)
		}
		return types.NewStringList(types.DefaultTypeAdapter, names)
	}
}

// nowValue is the moment as CEL sees it.
func nowValue(now time.Time) any { return now.UTC() }

// facts tells the type checker which members subjects, actions and resources have. Their values are plain maps.
type facts struct {
	*types.Registry
	objects map[string]map[string]*types.Type
}

// FindStructType finds a declared object.
func (f *facts) FindStructType(name string) (*types.Type, bool) {
	if _, ok := f.objects[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return f.Registry.FindStructType(name)
}

// FindStructFieldNames lists an object's members.
func (f *facts) FindStructFieldNames(name string) ([]string, bool) {
	fields, ok := f.objects[name]
	if !ok {
		return f.Registry.FindStructFieldNames(name)
	}
	var out []string
	for n := range fields {
		out = append(out, n)
	}
	return out, true
}

// FindStructFieldType finds an object's member. Without accessors CEL reads it from the map.
func (f *facts) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	fields, ok := f.objects[name]
	if !ok {
		return f.Registry.FindStructFieldType(name, field)
	}
	t, ok := fields[field]
	return &types.FieldType{Type: t}, ok
}

// sizes bounds what a condition can be asked about, by the limits of questions and of the directory.
type sizes struct{}

var _ cost.Estimator = sizes{}

// EstimateSize is the largest size of a value by its type.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	switch n.Type().Kind() {
	case types.StringKind, types.BytesKind, types.DynKind, types.AnyKind:
		return &cost.SizeEstimate{Max: MaxFactBytes}
	case types.ListKind, types.MapKind:
		return &cost.SizeEstimate{Max: maxConditionList}
	}
	return nil
}

// maxConditionList is the longest list that the cost of a condition is estimated for; longer ones meet the limit when asked.
const maxConditionList = 64

// EstimateCallCost is the cost of our own functions; nil for CEL's.
func (sizes) EstimateCallCost(function, _ string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	if function == "groups" || function == "departments" {
		return cost.NewCallEstimate(cost.Estimate{Min: 1, Max: maxConditionList}, &cost.SizeEstimate{Max: maxConditionList})
	}
	return nil
}
