package job

import (
	"maps"
	"slices"

	"github.com/solocron/solocron/notifier"
)

var (
	// notifyShape is a job's. An object under a notify that was switched off,
	// by defaults, begins again with what the file says.
	notifyShape = either("false, or {on, to}",
		shape[Notify]{kind: boolean, schema: schema{"const": false}, read: func(d *decoder, n *node, into *Notify) {
			on := true
			truth().read(d, n, &on)
			if on {
				d.report(n.at, "leave it out for the file's notify", "notify: want false, or {on, to}, got true")
			}
			*into = Notify{}
		}},
		shape[Notify]{kind: mapping, schema: jobNotify.schema, read: func(d *decoder, n *node, into *Notify) {
			if into.On == nil && into.To == nil {
				*into = d.document.notify
			}
			jobNotify.read(d, n, into)
		}})

	jobNotify = object("{on, to}", notifyKeys(func(n *Notify) *Notify { return n })...)

	fileNotify = object("{targets, on, to}", append([]field[document]{
		key("targets", "Receivers of notices, by a name of your choice.",
			table[map[string]Target]("a mapping of names to targets", idName, targetShape), func(d *document) *map[string]Target { return &d.Targets }),
	}, notifyKeys(func(d *document) *Notify { return &d.notify })...)...).then(func(_ *decoder, n *node, d *document) {
		if n.get("to") == nil {
			d.notify.To = slices.Sorted(maps.Keys(d.Targets))
		}
		d.defaults.Notify = d.notify
	})
)

func notifyKeys[T any](at func(*T) *Notify) []field[T] {
	return []field[T]{
		key("on", "Which ends are told.", several("a list of ends", oneOf(notifier.Events...)),
			func(t *T) *[]notifier.Event { return &at(t).On }).or(notifier.Usual),
		key("to", "To which targets; all of them if left out.", several("a list of targets", targetName),
			func(t *T) *[]string { return &at(t).To }),
	}
}

// targetName is the name of a target that the file has.
var targetName = shape[string]{kind: text, want: "a target's name", schema: schema{"type": "string"},
	read: func(d *decoder, n *node, into *string) {
		if _, ok := d.document.Targets[n.text]; !ok {
			known := slices.Sorted(maps.Keys(d.document.Targets))
			d.report(n.at, didYouMean(n.text, known), "%s: there is no target %q under notify.targets", n.key, clip(n.text))
			return
		}
		*into = n.text
	}}

var targetShape = object("one of webhook, mail, chat and sns",
	key("webhook", "Posts the message as JSON.", webhookShape, func(t *Target) **Webhook { return &t.Webhook }),
	key("mail", "Sends the message by SMTP.", mailShape, func(t *Target) **Mail { return &t.Mail }),
	key("chat", "Sends the message through a chat service.", chatShape, func(t *Target) **Chat { return &t.Chat }),
	key("sns", "Publishes the message to an SNS topic.", snsShape, func(t *Target) **SNS { return &t.SNS }),
).exactlyOne().then(func(d *decoder, n *node, _ *Target) {
	if len(n.entries) != 1 {
		d.report(n.spot(), "", "%s: want one of webhook, mail, chat and sns, got %d keys", n.key, len(n.entries))
	}
})

var webhookShape = pointer(object("{url, headers}",
	key("url", "Address that the message is posted to; or env:NAME or file:PATH if it is secret.",
		orSecret("an address such as https://example.com/hook, env:NAME or file:PATH", `https?://[^\x00-\x20]+`), func(w *Webhook) *string { return &w.URL }).must(),
	key("headers", "Further header lines; values may be env:NAME or file:PATH.", table[map[string]string]("a mapping of header names to text",
		matching("a header's name", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), orSecret("text on one line, env:NAME or file:PATH", `[^\x00-\x1f\x7f]+`)), func(w *Webhook) *map[string]string { return &w.Headers }),
))

var mailShape = pointer(object("{server, tls, user, password, from, to}",
	key("server", "HOST:PORT of the mail server.", server, func(m *Mail) *string { return &m.Server }).must(),
	key("tls", "starttls insists on TLS, implicit begins with it (port 465), none goes without.", oneOf("starttls", "implicit", "none"), func(m *Mail) *string { return &m.TLS }).or("starttls"),
	key("user", "Login at the server; none if left out.", line, func(m *Mail) *string { return &m.User }),
	key("password", "Where the password is read from: env:NAME or file:PATH.", secret, func(m *Mail) *string { return &m.Password }),
	key("from", "Sender's address.", mailbox, func(m *Mail) *string { return &m.From }).must(),
	key("to", "Receivers' addresses.", several("a list of mail addresses", mailbox), func(m *Mail) *[]string { return &m.To }).must(),
).then(func(d *decoder, n *node, m *Mail) {
	if m.TLS == "" {
		m.TLS = "starttls"
	}
	if to := n.get("to"); to != nil && to.kind == list && len(to.items) == 0 {
		d.report(to.spot(), "", "to: want at least one mail address, got none")
	}
	if (m.User == "") != (m.Password == "") && (n.get("user") == nil || n.get("password") == nil) {
		d.report(n.spot(), "", "%s: user and password go together", n.key)
	}
}))

var chatShape = pointer(object("{url}",
	key("url", "Service address such as slack://…, discord://… or telegram://…; or env:NAME or file:PATH, since it holds a token.",
		orSecret("a service address such as slack://…, env:NAME or file:PATH", `[a-z][a-z0-9+.-]*://[^\x00-\x20]+`),
		func(c *Chat) *string { return &c.URL }).must(),
))

// pointer makes a shape for an optional part.
func pointer[T any](s shape[T]) shape[*T] {
	return shape[*T]{kind: s.kind, want: s.want, schema: s.schema, read: func(d *decoder, n *node, into **T) {
		*into = new(T)
		s.read(d, n, *into)
	}}
}

// exactlyOne tells the schema that the object has one of its keys.
func (s shape[T]) exactlyOne() shape[T] {
	s.schema = s.schema.with("minProperties", 1).with("maxProperties", 1)
	return s
}
