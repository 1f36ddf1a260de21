package deploy

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/stack"
)

// A changed document is a new version of it, and commands are sent with the
// default one, which CloudFormation does not promise to move on.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ssm-document.html

// newDefault is the version of the document that has to become its default,
// since its content is ours and the default's isn't; empty if there is nothing
// to do. If neither is ours, there is nothing that can be done.
func (a *Account) newDefault(ctx context.Context, i *stack.Installation) (version string, ours bool, err error) {
	if !i.OwnDocument() {
		return "", true, nil
	}
	if _, ours, err = a.document(ctx, i, "$DEFAULT"); ours || err != nil {
		return "", ours, err
	}
	if version, ours, err = a.document(ctx, i, "$LATEST"); !ours {
		version = ""
	}
	return version, ours, err
}

// document reads a version of the document, and whether its content is ours.
func (a *Account) document(ctx context.Context, i *stack.Installation, version string) (number string, ours bool, err error) {
	name := i.File.Fleet.EC2.Document
	out, err := a.SSM.GetDocument(ctx, &ssm.GetDocumentInput{Name: &name, DocumentVersion: &version})
	switch {
	case errorCode(err) == "InvalidDocument": // it isn't there: the stack's business
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("document %s: %w", name, err)
	}
	return aws.ToString(out.DocumentVersion), sameJSON(aws.ToString(out.Content), string(guard.Document())), nil
}

// spare reports an error if the stack that is to be made would find the name of
// its document taken.
func (a *Account) spare(ctx context.Context, i *stack.Installation) error {
	if !i.OwnDocument() {
		return nil
	}
	number, _, err := a.document(ctx, i, "$DEFAULT")
	if name := i.File.Fleet.EC2.Document; err == nil && number != "" {
		return fmt.Errorf("document %s is there already, perhaps of another installation, and a stack makes its own: write another name to fleet.document, or delete it", name)
	}
	return err
}

func (a *Account) setDefault(ctx context.Context, i *stack.Installation, version string) error {
	name := i.File.Fleet.EC2.Document
	_, err := a.SSM.UpdateDocumentDefaultVersion(ctx, &ssm.UpdateDocumentDefaultVersionInput{Name: &name, DocumentVersion: &version})
	if err != nil {
		return fmt.Errorf("document %s: make version %s the default: %w", name, version, err)
	}
	a.tell(Step{Part: "document", Text: fmt.Sprintf("%s: version %s is the default", name, version)})
	return nil
}
