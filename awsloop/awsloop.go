// Package awsloop stands in for AWS on the loopback: one HTTP front that every
// SDK client is pointed to with AWS_ENDPOINT_URL. It is test equipment.
//
// # What it does
//
// The front tells the service by the SigV4 credential scope of the request,
// verifies the signature, counts the call, applies the faults that were asked
// for ([Knobs]), and answers by a handler of its own or passes the request on to
// moto_server. Systems Manager is answered here, with agents that really run
// the commands by sh, in a directory per instance. [NewAccount] adds Lambda,
// whose functions are processes, Scheduler, EventBridge and CloudFormation.
//
// # What can be relied on
//
// Requests and answers travel on the services' real wire protocols; a request
// that AWS would refuse for its signature, age or parameters is refused here.
// Chances are drawn from a seeded source. Nothing depends on the wall clock but
// through package time, so a Server works inside of a testing/synctest bubble
// when its clients use [Server.RoundTripper].
//
// # What it can't show
//
// AWS's own limits of rate, the permissions of keys and roles (each may do
// everything; only trust in roles, and what functions and queues let services do,
// is asked for, in an [Account]), and whatever the documentation leaves open; where that matters the stand-in takes
// the worse reading.
package awsloop

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Options say what a Server stands in for. The zero value serves Systems
// Manager alone, in us-east-1.
type Options struct {
	Moto    string // moto_server's URL; empty for no passing on
	Region  string // empty for us-east-1
	Account string // 12 digits; empty for moto's, 123456789012
	Seed    uint64 // of all chances and made-up identifiers
	Log     *slog.Logger
	Dir     string // an existing directory, below which each instance has its own
}

// Server is the stand-in. All methods are safe for concurrent use.
type Server struct {
	options Options
	log     *slog.Logger
	moto    *httputil.ReverseProxy // nil without moto
	routes  sync.Map               // service → http.Handler

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	events queue
	ssm    *systemsManager

	mu       sync.Mutex
	closed   bool
	work     sync.WaitGroup
	closers  []func()
	url      string // "" while nobody listens
	knobs    Knobs
	rand     *rand.Rand
	keys     map[string]string // ID → secret
	key      string            // the first of them
	within   *inside           // nil until it is needed
	calls    map[string]int
	made     map[string]time.Time // by operation and subject
	befallen map[string]int       // by awkward answer and subject
	answered map[string]int       // by awkward answer
	seen     []func(event []byte)
}

// New returns a Server on which nothing runs yet. It serves HTTP as it is; see
// [Server.Start] for a listener of its own.
func New(o Options) *Server {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "123456789012"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		options:  o,
		log:      o.Log,
		rand:     rand.New(rand.NewPCG(o.Seed, 0)),
		keys:     map[string]string{},
		calls:    map[string]int{},
		made:     map[string]time.Time{},
		befallen: map[string]int{},
		answered: map[string]int{},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.key, _ = s.NewKey()
	if o.Moto != "" {
		s.moto = s.proxy(o.Moto)
	}
	s.ssm = newSystemsManager(s)
	return s
}

// Handle answers the requests of a service, named as in the credential scope of
// their signature: "ssm", "lambda", "scheduler". The handler gets requests that
// were verified, with their body in place. If it has the method
//
//	Operation(r *http.Request) string
//
// then that names the operation for counts and knobs.
func (s *Server) Handle(service string, h http.Handler) { s.routes.Store(service, h) }

// Key is the access key that clients sign with. Its secret is as good as the
// seed: it guards nothing.
func (s *Server) Key() (id, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key, s.keys[s.key]
}

// NewKey issues a further access key.
func (s *Server) NewKey() (id, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id = "AKIA" + s.letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
	secret = s.letters(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
	s.keys[id] = secret
	return id, secret
}

// letters draws n letters of the alphabet. s.mu is held.
func (s *Server) letters(n int, alphabet string) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[s.rand.IntN(len(alphabet))]
	}
	return string(text)
}

// Config is the configuration of a client in the region, signed with
// [Server.Key]: over the network once somebody listens ([Server.Start],
// [Server.SetURL]), else by [Server.RoundTripper]. Its clients don't retry.
func (s *Server) Config(region string) aws.Config {
	id, secret := s.Key()
	config := aws.Config{
		Region:           region,
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, Source: "awsloop"}, nil
		}),
	}
	url := s.URL()
	if url == "" {
		url = "http://awsloop.invalid"
		config.HTTPClient = &http.Client{Transport: s.RoundTripper()}
	}
	config.BaseEndpoint = aws.String(url)
	return config
}

// Environ is what points an SDK of another process to the server: its URL, key
// and region, in the form of [os.Environ].
func (s *Server) Environ() []string {
	id, secret := s.Key()
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL(),
		"AWS_ACCESS_KEY_ID=" + id,
		"AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_REGION=" + s.options.Region,
		"AWS_DEFAULT_REGION=" + s.options.Region, // what the aws command reads
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// URL is where the server listens; empty if nobody said.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// SetURL says where the caller made the server listen.
func (s *Server) SetURL(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = base
}

// Calls counts the verified requests by service and operation, as in
// "ssm.SendCommand", also those that a knob then refused.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// ResetCalls starts counting anew.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
}

// OnEvent has f called with each status change that Systems Manager would tell
// EventBridge: the whole event as JSON, one at a time, in the order of the
// changes, no locks held. Register before the first command.
func (s *Server) OnEvent(f func(event []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, f)
}

// spawn runs f in a goroutine that Close waits for; its context ends then. It
// says whether it did: not after Close.
func (s *Server) spawn(f func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(func() { f(s.ctx) })
	return true
}

// onClose has f called by Close, before it waits for what was spawned.
func (s *Server) onClose(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, f)
}

// Close ends all that runs, the commands on the instances included, and waits
// for it. Repeating is safe.
func (s *Server) Close() error {
	s.mu.Lock()
	closers := s.closers
	s.closed, s.closers = true, nil
	s.mu.Unlock()
	s.cancel(http.ErrServerClosed)
	for _, f := range closers {
		f()
	}
	s.work.Wait()
	return nil
}

// proxy passes requests on to moto, which tells the service by the credential
// scope too, and builds the URLs that it answers from the Host that it sees.
func (s *Server) proxy(moto string) *httputil.ReverseProxy {
	target, err := url.Parse(moto)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	s.closers = append(s.closers, transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			if err == nil {
				r.SetURL(target)
			}
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Expect") // the body is here already
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			s.log.ErrorContext(r.Context(), "pass on to moto", "url", moto, "err", err)
			protocolOf(r).refuse(w, fault{unavailable, "moto at " + moto + ": " + err.Error()})
		},
	}
}
