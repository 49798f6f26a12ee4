// Command klinke is the policy decision point in one binary: the server, and the client commands that fill it and ask it.
//
// Invariant: the program is a value with its input, its outputs and its environment; main only makes one. Results go to
// standard output, everything else to standard error. A setting comes from a flag, else from the environment, else from
// the file that --config names, else from its default. The exit code is 0 for success and for an allow, 1 for a deny and
// for what was found to differ, 2 for an error; nothing else.
//
// Concurrency: a program value belongs to one goroutine and runs once. The goroutines of serve end before it returns.
//
// Failure: the first error ends a command. It is printed with the field that is to blame and with what to do. What was
// acknowledged before it stays done; apply, import and init can be run again. An interrupt ends serve in order, and any
// other command at once.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is stamped by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	p := &program{in: interruptible(ctx, os.Stdin), out: os.Stdout, err: os.Stderr, env: os.LookupEnv}
	os.Exit(p.run(ctx, os.Args[1:])) //nolint:forbidigo // nothing is open any more: run has returned
}

// interruptible makes reads end when a context does, even one that waits for what never comes.
func interruptible(ctx context.Context, from io.Reader) io.Reader {
	var pipe *io.PipeReader
	return readerFunc(func(b []byte) (int, error) {
		if pipe == nil { // not before: most commands read nothing
			r, w := io.Pipe()
			context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) }) // never fails
			// The process owns it: when it still waits for a terminal at the end, nothing is lost.
			go func() {
				_, err := io.Copy(w, from)
				_ = w.CloseWithError(err) // never fails; io.EOF for nil
			}()
			pipe = r
		}
		return pipe.Read(b)
	})
}

type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
