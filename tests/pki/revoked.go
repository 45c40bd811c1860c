// Verifies chains with Go's crypto/x509 and CRLs: CACERTS CRLS CHAIN..., prints one line for each chain.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func blocks(path string) (found [][]byte) {
	data, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		found = append(found, block.Bytes)
	}
	return found
}

func certificates(path string) (found []*x509.Certificate) {
	for _, der := range blocks(path) {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		found = append(found, certificate)
	}
	return found
}

func revoked(certificate, issuer *x509.Certificate, lists []*x509.RevocationList) error {
	for _, list := range lists {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
			continue
		}
		if err := list.CheckSignatureFrom(issuer); err != nil {
			return err
		}
		for _, entry := range list.RevokedCertificates {
			if entry.SerialNumber.Cmp(certificate.SerialNumber) == 0 {
				return fmt.Errorf("%s is revoked", certificate.Subject)
			}
		}
		return nil
	}
	return fmt.Errorf("no CRL of %s", issuer.Subject)
}

func verify(path string, roots *x509.CertPool, lists []*x509.RevocationList) error {
	chain := certificates(path)
	between := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	paths, err := chain[0].Verify(options)
	if err != nil {
		return err
	}
	for n := 0; n+1 < len(paths[0]); n++ {
		if err := revoked(paths[0][n], paths[0][n+1], lists); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	roots := x509.NewCertPool()
	for _, certificate := range certificates(os.Args[1]) {
		if bytes.Equal(certificate.RawIssuer, certificate.RawSubject) {
			roots.AddCert(certificate)
		}
	}
	var lists []*x509.RevocationList
	for _, der := range blocks(os.Args[2]) {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			panic(err)
		}
		lists = append(lists, list)
	}
	for _, path := range os.Args[3:] {
		said := "OK"
		if err := verify(path, roots, lists); err != nil {
			said = err.Error()
		}
		fmt.Printf("%s\t%s\n", path, said)
	}
}
