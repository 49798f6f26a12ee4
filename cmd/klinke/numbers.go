package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (p *program) numbersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "numbers",
		Short: "Fill the number lists of tenants",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.numbersImportCommand())
	return cmd
}

// numbersChunk is how many numbers one write carries: so few that the server is at none of its steps for long, since
// those who ask questions meanwhile wait for a processor.
const numbersChunk = 250

// numbersLoad is the percentage of the time in which an import keeps the server busy, unless it is told otherwise.
const numbersLoad = 50

// numbersImport is one run of klinke numbers import.
type numbersImport struct {
	*applier
	list, site, region, badLines string
	load                         int
}

func (p *program) numbersImportCommand() *cobra.Command {
	i := &numbersImport{applier: p.newApplier()}
	cmd := p.clientFlags(&cobra.Command{
		Use:   "import FILE --tenant T --list L",
		Short: "Put the numbers of a file into a number list",
		Long: `Put the numbers of a file, one a line, into a number list; - is standard input. Numbers are read as those of questions
are: +49 30 123456, 0049…, tel:… and, as dialled at --site (else the tenant's default site) or in --region, 030/123456.
A * behind it means all numbers that begin so: +4930*. In the list extensions, lines are the digits of extensions.

Empty lines are passed over, and so is what stands behind a # at the beginning of a line or behind a blank. What stands
twice counts once. Numbers that are in the list already, and are not in the file, stay.

The whole file is read and checked before anything is written. Every line that is no number is reported with its place.
With --bad-lines refuse nothing is then imported, and the exit code is 2; with skip the rest is, and it is 1.

Numbers are written in order, 250 at a time, with pauses, so that those who ask the server meanwhile hardly notice; --load 100
leaves the pauses out. When the import is interrupted, run it again: it puts all numbers again, and
those that are there already make no entry and cost the disk nothing.`,
		Example: `  klinke numbers import --tenant demo --list crm_contacts contacts.txt
  cut -d';' -f3 contacts.csv | klinke numbers import --tenant demo --list crm_contacts --region DE -`,
		Args: cobra.ExactArgs(1),
	})
	f := cmd.Flags()
	f.StringVar(&i.list, "list", "", "the number list, as the model's tests name it, or extensions")
	f.StringVar(&i.site, "site", "", "the site at which numbers without a country code are dialled")
	f.StringVar(&i.region, "region", "", "the model's region in which they are dialled, instead of a site")
	f.StringVar(&i.badLines, "bad-lines", "refuse", "what to do when lines are no numbers: refuse to import, or skip them")
	f.IntVar(&i.load, "load", numbersLoad, "the percentage of the time, 1 to 100, in which the server is to be busy with the import")
	f.BoolVar(&i.validateOnly, "validate-only", false, "check the file, and change nothing")
	f.StringVar(&i.reason, "reason", "", "why, for the log")
	f.StringVar(&i.author, "author", "", "on whose behalf, for the log")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return i.run(cmd.Context(), args[0]) }
	return cmd
}

func (i *numbersImport) run(ctx context.Context, file string) error {
	p := i.p
	if err := p.needTenant(); err != nil {
		return err
	}
	switch {
	case i.list == "":
		return usagef("say which list: --list L")
	case i.site != "" && i.region != "":
		return usagef("--site and --region say the same thing: leave one of them out")
	case i.badLines != "refuse" && i.badLines != "skip":
		return usagef("--bad-lines is refuse or skip, not `%s`", i.badLines)
	case i.load < 1 || i.load > 100:
		return usagef("--load is a percentage from 1 to 100, not %d", i.load)
	}
	var err error
	if i.r, err = p.dial(); err != nil {
		return err
	}
	defer i.r.close()
	plan, err := i.plan(ctx)
	if err != nil {
		return err
	}
	if file == "-" {
		return i.read(ctx, "standard input", plan, p.in, 0)
	}
	return withFile(file, func(f *os.File) error {
		var size int64
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		return i.read(ctx, file, plan, f, size)
	})
}

// plan learns how numbers are dialled in the tenant, and that it may have the list.
func (i *numbersImport) plan(ctx context.Context) (*dial.Plan, error) {
	now, err := i.r.GetModel(ctx, &klinkev1.GetModelRequest{Tenant: i.p.tenant})
	if err != nil {
		return nil, err
	}
	use := &klinkev1.UseModel{Model: now.GetModel().GetName(), Version: now.GetVersion()}
	i.models[modelVersion{use.GetModel(), use.GetVersion()}] = now.GetModel()
	h := i.newRehearsal()
	err = h.copyTenant(ctx, i.applier, i.p.tenant, use, klinkev1.RecordKind_RECORD_KIND_SITE, klinkev1.RecordKind_RECORD_KIND_EMERGENCY_NUMBER)
	if err != nil {
		return nil, err
	}
	model := modelVersion{use.GetModel(), use.GetVersion()}.String()
	if lists := h.snapshot.Model().Lists(); !slices.Contains(lists, i.list) {
		return nil, invalid("list", "no test of the model `%s` asks for the list `%s`; there are %s", model, i.list, strings.Join(lists, ", "))
	}
	plan := h.snapshot.Plan()
	if i.site != "" && !plan.HasSite(i.site) {
		return nil, invalid("site", "the tenant has no site `%s`", i.site)
	}
	if i.region == "" {
		return plan, nil
	}
	i.site = i.region // a site of this run alone
	if plan, err = plan.WithSites([]dial.Site{{ID: i.site, Region: i.region}}); err != nil {
		return nil, invalid("region", "the model `%s` has no region `%s`", model, i.region)
	}
	return plan, nil
}

// read checks a whole file, and imports it.
func (i *numbersImport) read(ctx context.Context, name string, plan *dial.Plan, in io.Reader, size int64) error {
	counted := &countingReader{r: in}
	l := &numberList{file: name, most: policy.MaxNumbersInList,
		progress: &progress{p: i.p, verb: "check", noun: "lines", began: time.Now(), last: time.Now(), from: counted, size: size}}
	l.read = func(text string) (string, bool, error) { return plan.Listed(i.site, text) }
	if i.list == policy.ExtensionList {
		l.read = func(text string) (string, bool, error) {
			digits, err := plan.Extension(text)
			return digits, false, err
		}
	}
	l.bad = func(line int, text string, why error) error {
		if i.p.output != "json" {
			i.p.notef("%s: line %d: %q: %v", name, line, text, why)
			return nil
		}
		b, err := json.Marshal(map[string]any{"line": line, "text": text, "problem": why.Error()})
		if err != nil {
			return err
		}
		return i.p.sayf("%s", b)
	}
	err := l.readAll(ctx, counted)
	l.progress.end()
	if err != nil {
		return err
	}
	w := &writer{to: &remoteSink{a: i.applier, tenant: i.p.tenant}, note: i.p.notef, tally: newTally(), chunk: numbersChunk, load: i.load,
		progress: &progress{p: i.p, verb: "import", noun: "numbers", began: time.Now(), last: time.Now(), total: len(l.numbers)}}
	if l.numBad > 0 && i.badLines == "refuse" {
		if err := i.sayImported(l, w, true); err != nil {
			return err
		}
		return invalid(name, "%s of %s no number, so nothing was imported: mend them, or import the rest with --bad-lines skip",
			plural(l.numBad, "line"), are(l.lines, l.numBad))
	}
	if !i.validateOnly {
		if err := i.write(ctx, l, w); err != nil {
			return err
		}
	}
	if err := i.sayImported(l, w, false); err != nil {
		return err
	}
	if l.numBad > 0 {
		return exit(exitDeny)
	}
	return nil
}

func are(lines, bad int) string {
	if bad == 1 {
		return thousands(lines) + " is"
	}
	return thousands(lines) + " are"
}

// write puts the numbers in the order of their keys, in which the server's disk likes them best.
func (i *numbersImport) write(ctx context.Context, l *numberList, w *writer) error {
	all := func() error {
		for _, n := range l.numbers {
			number, prefix := n.text()
			listed := &klinkev1.ListedNumber{List: i.list, Number: number, Prefix: prefix}
			if err := w.add(ctx, put(&klinkev1.Record{Record: &klinkev1.Record_ListedNumber{ListedNumber: listed}})); err != nil {
				return err
			}
		}
		return w.flush(ctx)
	}
	err := all()
	w.progress.end()
	if err != nil {
		i.p.notef("%s of %s are in the list: run the same command again to go on", thousands(w.progress.done), plural(len(l.numbers), "number"))
	}
	return err
}

// sayImported says what became of a file.
func (i *numbersImport) sayImported(l *numberList, w *writer, refused bool) error {
	const name = "listed numbers"
	added := w.tally.put[name]
	unchanged := w.tally.sent[name] - added
	if i.p.output == "json" {
		b, err := json.Marshal(map[string]any{"tenant": i.p.tenant, "list": i.list, "lines": l.lines, "bad": l.numBad, "numbers": len(l.numbers),
			"repeated": l.repeated, "put": added, "unchanged": unchanged, "refused": refused, "revision": w.revision, "validateOnly": i.validateOnly})
		if err != nil {
			return err
		}
		return i.p.sayf("%s", b)
	}
	if refused {
		return nil
	}
	read := []string{plural(len(l.numbers), "number")}
	if l.repeated > 0 {
		read = append(read, thousands(l.repeated)+" repeated")
	}
	if l.numBad > 0 {
		read = append(read, thousands(l.numBad)+" bad")
	}
	out := fmt.Sprintf("%s: %s", plural(l.lines, "line"), strings.Join(read, ", "))
	switch {
	case i.validateOnly:
		out += "\nnothing was changed: --validate-only"
	default:
		out += fmt.Sprintf("\n%s: %s put, %s unchanged", i.list, thousands(added), thousands(unchanged))
		if w.revision != "" {
			out += "\nrevision " + w.revision
		}
	}
	return i.p.sayf("%s", out)
}
