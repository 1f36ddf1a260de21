package pgledger

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/solocron/solocron/ledger"
)

// PostgreSQL's codes: https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	diskFull              = "53100"
	insufficientPrivilege = "42501"
	dataCorrupted         = "XX001"
	indexCorrupted        = "XX002"
	divisionByZero        = "22012" // by isKept alone
)

// explain says what was done in which database, in the port's words.
func (l *Ledger) explain(op string, err error) error {
	switch sqlState(err) {
	case diskFull:
		err = fmt.Errorf("%w: %w", ledger.ErrFull, err)
	case divisionByZero:
		err = fmt.Errorf("%w: the server has lost a write that it had acknowledged", ledger.ErrWentBack)
	case dataCorrupted, indexCorrupted:
		err = fmt.Errorf("%w: %w", ledger.ErrCorrupt, err)
	case insufficientPrivilege:
		err = fmt.Errorf("%w; let the user own the schema solocron, or GRANT CREATE ON DATABASE for it to be made", err)
	}
	return fmt.Errorf("ledger %s: %s: %w", l.name, op, err)
}

// name is the database without the password: postgres://user@host:port/db.
func name(c *pgxpool.Config) string {
	host := c.ConnConfig.Host
	if !strings.HasPrefix(host, "/") {
		host = net.JoinHostPort(host, strconv.Itoa(int(c.ConnConfig.Port)))
	}
	return fmt.Sprintf("postgres://%s@%s/%s", c.ConnConfig.User, host, c.ConnConfig.Database)
}

// unparsable explains why a URL can't be used. The parsers quote the URL, with
// any password among its parameters, so only what they say after it is shown.
func unparsable(raw string, cause error) error {
	const remedy = "want postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters percent-encoded"
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("the URL can't be parsed; " + remedy)
	}
	said := cause.Error()
	if _, after, quoted := strings.Cut(said, "`: "); quoted {
		said = after
	}
	password, _ := u.User.Password()
	for _, secret := range []string{password, u.Query().Get("password"), raw} {
		if secret != "" && (strings.Contains(said, secret) || strings.Contains(said, url.QueryEscape(secret))) {
			said = "a part of it is wrong"
		}
	}
	return fmt.Errorf("can't use the URL of host %s: %s; %s", u.Host, said, remedy)
}

// maxTries bounds how often a transaction is repeated that the server ended to
// let others pass.
const maxTries = 5

// retry repeats f while its transaction certainly came to nothing for a reason
// that another try may not meet.
func retry(f func() error) (err error) {
	for range maxTries {
		if err = f(); err == nil || !again(err) {
			return err
		}
	}
	return fmt.Errorf("%d times: %w", maxTries, err)
}

func again(err error) bool {
	code := sqlState(err)
	return code == deadlockDetected || code == serializationFailure || pgconn.SafeToRetry(err) || errors.Is(err, errNothing)
}

// errNothing marks a connection that was lost before its transaction could
// have been committed.
var errNothing = errors.New("connection lost, nothing was written")

// refused reports that the server itself ended the transaction. A fatal error
// says only that the connection is gone.
func refused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.SeverityUnlocalized == "ERROR"
}

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}
