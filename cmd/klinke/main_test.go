// These stories prove that the program does what its help says: each runs it as people and scripts do, as processes of
// their own with files, pipes, signals and exit codes. They are testdata/script/*.txtar; script_test.go has their commands.
package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"klinke": main})
}

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               tellStory,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"run":         runProgram,
			"serve":       serveStory,
			"sigterm":     stopStory,
			"kill9":       killStory,
			"feed":        feedStory,
			"write":       writeFile,
			"people":      writePeople,
			"questions":   writeQuestions,
			"fat":         writeFat,
			"replace":     replaceInFile,
			"newerformat": newerFormat,
			"lines":       countLines,
			"samerev":     sameRevision,
			"certs":       writeCertificates,
			"until":       untilStory,
		},
	})
}
