package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// starter is a jobs file that works as it is and explains the rest.
//
//go:embed starter.yaml
var starter []byte

func newInitCommand(g *globals) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init [FOLDER|FILE]",
		Short: "Write a jobs file to start from",
		Long: `Write a jobs file to start from: FILE, or solocron.yaml in FOLDER, which is made
if it isn't there. A file that is there stays as it is, unless --force is given.

Exit codes: 0 done, 1 error, 2 usage.`,
		Args: words(0, 1, "at most one folder or file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := g.file
			if len(args) == 1 {
				path = starterPath(args[0])
			}
			if err := writeStarter(path, force); err != nil {
				return err
			}
			cmd.PrintErrf("wrote %s\nhint: solocron check -f %[1]s, then solocron serve -f %[1]s\n", path)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return cmd
}

// starterPath takes an argument for a file if it is named like one.
func starterPath(arg string) string {
	info, err := os.Stat(arg)
	isFolder := err == nil && info.IsDir()
	if !isFolder && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(arg)) {
		return arg
	}
	return filepath.Join(arg, "solocron.yaml")
}

func writeStarter(path string, force bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write jobs file: %w", err)
	}
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, how, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &hintError{fmt.Errorf("%s is there already", path), "--force replaces it"}
	}
	if err != nil {
		return fmt.Errorf("write jobs file: %w", err)
	}
	_, err = f.Write(starter)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write jobs file: %w", err)
	}
	return nil
}
