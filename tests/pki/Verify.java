// Verifies every certificate of a manifest with Java's PKIX trust manager and prints one line for each.
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import sun.security.util.HostnameChecker;

public class Verify {
    static List<X509Certificate> read(Path file) throws IOException, GeneralSecurityException {
        List<X509Certificate> found = new ArrayList<>();
        try (InputStream in = Files.newInputStream(file)) {
            for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                found.add((X509Certificate) each);
            }
        }
        return found;
    }

    static X509TrustManager trusting(X509Certificate root) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setCertificateEntry("root", root);
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        return (X509TrustManager) factory.getTrustManagers()[0];
    }

    static void verify(Path directory, String host, String purpose) throws IOException, GeneralSecurityException {
        List<X509Certificate> chain = read(directory.resolve("leaf.pem"));
        chain.addAll(read(directory.resolve("intermediates.pem")));
        X509TrustManager manager = trusting(read(directory.resolve("root.pem")).get(0));
        X509Certificate[] array = chain.toArray(new X509Certificate[0]);
        if (purpose.equals("client")) {
            manager.checkClientTrusted(array, "UNKNOWN");
            return;
        }
        manager.checkServerTrusted(array, "UNKNOWN");
        HostnameChecker.getInstance(HostnameChecker.TYPE_TLS).match(host, array[0]);
    }

    public static void main(String[] args) throws IOException {
        Path base = Path.of(args[0]);
        for (String line : Files.readAllLines(base.resolve("manifest"))) {
            String[] row = line.split("\t");
            String result = "OK";
            try {
                verify(base.resolve(row[0]), row[1], row[2]);
            } catch (GeneralSecurityException error) {
                result = error.toString().replaceAll("\\s+", " ");
            }
            System.out.println(row[0] + "\t" + result);
        }
    }
}
