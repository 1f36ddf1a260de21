package main

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// sessions runs a command n times at the due time, by sessions of connections
// that were made before: peers ssh DUE N USER IDENTITY ADDRESS,ADDRESS COMMAND.
func sessions(due time.Time, n int, args []string) error {
	key, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	identity, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return err
	}
	// The servers are this machine's own, and were started a moment ago.
	config := &ssh.ClientConfig{User: args[0], Auth: []ssh.AuthMethod{ssh.PublicKeys(identity)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	const each = 2
	work, ends := make(chan int), make(chan error)
	addrs := strings.Split(args[2], ",")
	for _, addr := range addrs {
		client, err := ssh.Dial("tcp", addr, config)
		if err != nil {
			return err
		}
		defer client.Close()
		for range each {
			go func() {
				var failed error
				for range work {
					failed = errors.Join(failed, session(client, args[3]))
				}
				ends <- failed
			}()
		}
	}
	time.Sleep(time.Until(due))
	for i := range n {
		work <- i
	}
	close(work)
	for range each * len(addrs) {
		err = errors.Join(err, <-ends)
	}
	return err
}

func session(client *ssh.Client, command string) error {
	s, err := client.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Run(command)
}
