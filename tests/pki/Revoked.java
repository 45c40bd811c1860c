// Verifies chains with Java's PKIX validator and CRLs: CACERTS CRLS CHAIN..., prints one line for each chain.
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

public class Revoked {
    public static void main(String[] args) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        Set<TrustAnchor> anchors = new HashSet<>();
        CertStore lists;
        try (InputStream cas = Files.newInputStream(Path.of(args[0])); InputStream crls = Files.newInputStream(Path.of(args[1]))) {
            for (Certificate ca : factory.generateCertificates(cas)) {
                X509Certificate found = (X509Certificate) ca;
                if (found.getSubjectX500Principal().equals(found.getIssuerX500Principal())) {
                    anchors.add(new TrustAnchor(found, null));
                }
            }
            lists = CertStore.getInstance("Collection", new CollectionCertStoreParameters(factory.generateCRLs(crls)));
        }
        for (int n = 2; n < args.length; n++) {
            String result = "OK";
            try (InputStream in = Files.newInputStream(Path.of(args[n]))) {
                List<Certificate> chain = new ArrayList<>(factory.generateCertificates(in));
                PKIXParameters parameters = new PKIXParameters(anchors);
                parameters.setRevocationEnabled(true);
                parameters.addCertStore(lists);
                CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(chain), parameters);
            } catch (GeneralSecurityException error) {
                result = error.toString().replaceAll("\\s+", " ");
            }
            System.out.println(args[n] + "\t" + result);
        }
    }
}
