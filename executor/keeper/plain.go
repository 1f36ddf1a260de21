package keeper

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// plain takes a command apart that means the same without a shell, and finds its
// program as /bin/sh would: words of harmless characters, perhaps quoted, the
// first of which is no word of the shell's own. Anything else is the shell's
// business, as is every program that can't be found or started just so: then the
// shell says why, in its own words and with its own exit code.
func (a *attempt) plain(env []string) (path string, argv []string) {
	if a.errand.Shell != "/bin/sh" || a.as.means != "" {
		return "", nil
	}
	argv = words(a.errand.Command)
	if len(argv) > 1 && argv[0] == "exec" {
		argv = argv[1:] // what else would a command of one program do
	}
	if len(argv) == 0 || argv[0] == "" || strings.ContainsRune(argv[0], '=') || argv[0][0] == '-' || shellWords[argv[0]] {
		return "", nil
	}
	if strings.Contains(argv[0], "/") {
		return argv[0], argv
	}
	for _, entry := range env {
		if list, ok := strings.CutPrefix(entry, "PATH="); ok {
			return search(list, argv[0]), argv
		}
	}
	return "", nil
}

// search finds a program in a PATH; empty if it isn't there, or if the PATH
// leads to wherever the command happens to be.
func search(list, name string) string {
	for dir := range strings.SplitSeq(list, ":") {
		if !filepath.IsAbs(dir) {
			return ""
		}
		path := dir + "/" + name
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return ""
}

// words are the words of a simple command without expansions, redirections or
// assignments; nil if there may be more to it.
func words(text string) []string {
	text = strings.Trim(text, " \t\n")
	var all []string
	var word strings.Builder
	inside := false // a word has begun, if only with an empty quote
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			if inside {
				all = append(all, word.String())
				word.Reset()
			}
			inside = false
		case c == '\'' || c == '"':
			quoted, _, closed := strings.Cut(text[i+1:], string(c))
			if !closed || c == '"' && strings.ContainsAny(quoted, "$`\\") {
				return nil
			}
			word.WriteString(quoted)
			inside = true
			i += len(quoted) + 1
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_-./:,@%+=", c) >= 0:
			word.WriteByte(c)
			inside = true
		default:
			return nil
		}
	}
	if inside {
		all = append(all, word.String())
	}
	return all
}

// shellWords are the words that some shell under the name /bin/sh (dash, bash,
// busybox, ksh) takes for its own where a command is wanted.
var shellWords = func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(`
		. : [ alias autoload bg bind break builtin caller case cat cd chdir command compgen complete compopt continue
		coproc declare dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi for
		function functions getopts global hash hist history if in integer jobs kill let local login logout mapfile
		mknod nameref newgrp nohup popd print printf pushd pwd read readarray readonly realpath rename return
		select set shift shopt sleep source stop suspend test then time times trap true type typeset ulimit umask
		unalias unset until wait whence whereis while`) {
		set[word] = true
	}
	return set
}()
