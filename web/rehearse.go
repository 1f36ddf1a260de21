package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Rehearsal asks for a start on a host that is of no job.
type Rehearsal struct {
	Unclaimed bool `json:"unclaimed,omitempty"` // as claim: off
}

// rehearseFor is how long a rehearsal may take. A Lambda function has a minute.
const rehearseFor = 50 * time.Second

func (s *Server) rehearse(r *http.Request) (any, error) {
	var how Rehearsal
	if err := decode(r, &how); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), rehearseFor, errors.New("it took more than "+rehearseFor.String()))
	defer cancel()
	if err := s.Dispatcher.Rehearse(ctx, r.PathValue("host"), how.Unclaimed); err != nil {
		return nil, &Problem{Message: err.Error(), Status: http.StatusBadGateway}
	}
	return struct{}{}, nil
}

// Rehearse has a host go through a start that is of no job; see
// dispatch.Dispatcher.Rehearse.
func (c *Client) Rehearse(ctx context.Context, host string, unclaimed bool) error {
	return c.post(ctx, "/v1/hosts/"+url.PathEscape(host)+"/rehearse", Rehearsal{unclaimed}, nil)
}
