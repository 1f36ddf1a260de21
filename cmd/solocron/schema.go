package main

import (
	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
)

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the jobs file, for editors",
		Long: `Print the JSON Schema of the jobs file. Editors with a YAML language server
complete and check the file when its first line names the schema:

  solocron schema > solocron.schema.json
  # yaml-language-server: $schema=solocron.schema.json

Exit codes: 0 done, 1 error, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(job.Schema())
			return err
		},
	}
}
