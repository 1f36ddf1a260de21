package e2e

import (
	"debug/elf"
	"testing"
)

// A program that can call methods by a name it only learns at run time keeps
// every exported method of every type: with the AWS clients' that is 50 MB more
// of program, and 6 MB more in memory. Text templates are how that comes in.
func TestLinkerDropsMethods(t *testing.T) {
	program, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	symbols, err := program.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	here := map[string]bool{}
	for _, s := range symbols {
		here[s.Name] = true
	}
	if !here["main.main"] {
		t.Fatal("the program has no names to look at")
	}
	for _, name := range []string{
		"text/template.(*Template).Execute",
		"github.com/aws/aws-sdk-go-v2/service/ec2.(*Client).RunInstances", // nobody calls it
	} {
		if here[name] {
			t.Errorf("%s is in the program; go build -ldflags=-dumpdep shows why (<ReflectMethod>)", name)
		}
	}
}
