// Verifies every certificate of a manifest with Go's crypto/x509 and prints one line for each.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var purposes = map[string]x509.ExtKeyUsage{
	"server": x509.ExtKeyUsageServerAuth,
	"client": x509.ExtKeyUsageClientAuth,
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return data
}

func pool(path string) *x509.CertPool {
	made := x509.NewCertPool()
	made.AppendCertsFromPEM(read(path))
	return made
}

func verify(directory, host, purpose string) error {
	block, _ := pem.Decode(read(filepath.Join(directory, "leaf.pem")))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots:         pool(filepath.Join(directory, "root.pem")),
		Intermediates: pool(filepath.Join(directory, "intermediates.pem")),
		KeyUsages:     []x509.ExtKeyUsage{purposes[purpose]},
	}
	if purpose == "server" {
		options.DNSName = host
	}
	_, err = leaf.Verify(options)
	return err
}

func main() {
	base := os.Args[1]
	manifest, err := os.Open(filepath.Join(base, "manifest"))
	if err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(manifest); lines.Scan(); {
		row := strings.Split(lines.Text(), "\t")
		result := "OK"
		if err := verify(filepath.Join(base, row[0]), row[1], row[2]); err != nil {
			result = err.Error()
		}
		fmt.Printf("%s\t%s\n", row[0], result)
	}
}
