// These tests promise that the house keeps its own laws: who may import whom, what may not be written anywhere, how long a
// file may grow. A law names its number in the design; arch_bite_test.go shows for each that it can fail.
package klinke_test

import (
	"os"
	"testing"
)

// law is one rule and what in a house breaks it, a sentence each.
type law struct {
	name   string
	breaks func(h *house) []string
}

// laws are all of them.
func laws() []law {
	return []law{
		{"1 walls between rooms", wallsBroken},
		{"1 every room is on the plan", planBroken},
		{"1 only cmd picks an engine", enginesPicked},
		{"1 the law has no clock", clocksInLaw},
		{"1 shipped code imports no tests", testingShipped},
		{"3 Decide is held to Explain and to no allocation", decideUnheld},
		{"6 goroutines have owners", orphanGoroutines},
		{"7 package variables never change", variablesThatChange},
		{"7 no init", initFunctions},
		{"7 nothing travels in contexts", contextValues},
		{"7 rooms have names", namelessRooms},
		{"7 products are data", productNames},
		{"8 one file maps errors to statuses", statusMappers},
		{"9 rooms are documented", undocumentedRooms},
		{"10 files stay short", longFiles},
		{"10 interfaces stay small", bigInterfaces},
		{"11 a linter has one excuse", excusedLinters},
		{"no marks of unfinished work", unfinishedMarks},
		{"tests do not sleep", sleepingTests},
		{"skipped tests say why", silentSkips},
		{"dependencies are explained", unexplainedDependencies},
		{"tests say what they promise", unpromisingTests},
	}
}

func TestTheHouseKeepsItsLaws(t *testing.T) {
	h := survey(t, os.DirFS("."))
	for _, l := range laws() {
		t.Run(l.name, func(t *testing.T) {
			for _, broken := range l.breaks(h) {
				t.Error(broken)
			}
		})
	}
}
