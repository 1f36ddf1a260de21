package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/solocron/solocron/dispatch"
)

// Deployment is a page of the jobs in the ledger, those that were retired
// included.
type Deployment struct {
	Jobs []dispatch.Deployed `json:"jobs"` // by name
	// Next is where the next page begins: after this name. Empty for the last.
	Next string `json:"next,omitempty"`
}

const (
	// maxPage is how much of an answer the jobs of one page take up. A Lambda
	// function answers at most 6 MB, in which the page is a text within JSON.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxPage = 4 << 20
	// maxDeployment bounds the body of a deployment, for the same limit of 6 MB.
	maxDeployment = 5 << 20
)

// deployed lists the jobs that come after a name, as many as a page holds.
func (s *Server) deployed(r *http.Request) (any, error) {
	all, err := s.Dispatcher.Deployed(r.Context())
	if err != nil {
		return nil, err
	}
	first, found := slices.BinarySearchFunc(all, r.URL.Query().Get("after"), func(j dispatch.Deployed, name string) int {
		return cmp.Compare(j.Name, name)
	})
	if found {
		first++
	}
	page := Deployment{Jobs: []dispatch.Deployed{}}
	room := maxPage
	for _, j := range all[first:] {
		n, err := carried(j)
		if err != nil {
			return nil, err
		}
		if room -= n; room < 0 && len(page.Jobs) > 0 {
			page.Next = page.Jobs[len(page.Jobs)-1].Name
			break
		}
		page.Jobs = append(page.Jobs, j)
	}
	return page, nil
}

// carried is the length of what stands for v in an answer of a function.
func carried(v any) (int, error) {
	said, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(string(said))
	return len(text), err
}

// deploy changes the jobs of a scheduler that has no file of them.
func (s *Server) deploy(r *http.Request) (any, error) {
	if f := s.Dispatcher.File(); f != nil {
		return nil, &Problem{
			Message: "this scheduler takes its jobs from " + f.Path,
			Hint:    "edit that file and send the scheduler SIGHUP; solocron apply is for the scheduler that is a Lambda function",
			Status:  http.StatusForbidden,
		}
	}
	var change dispatch.Deployment
	if err := decode(r, &change); err != nil {
		return nil, err
	}
	return struct{}{}, s.Dispatcher.Deploy(r.Context(), change)
}
