import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;

/** Fetches jars from Maven Central: those that a list names, each as its SHA-256 and its path. */
public final class Fetch {
    private static final String CENTRAL = "https://repo.maven.apache.org/maven2/";
    private static final Duration WITHIN = Duration.ofSeconds(60);
    private static final int ATTEMPTS_MAX = 3;

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[1]);
        HttpClient client = HttpClient.newBuilder().connectTimeout(WITHIN).build();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            String[] pin = line.split(" +");
            byte[] jar = fetch(client, pin[1]);
            String sum = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(jar));
            if (!sum.equals(pin[0])) {
                throw new IllegalStateException(pin[1] + " has the SHA-256 " + sum + ", not " + pin[0]);
            }
            Files.write(folder.resolve(Path.of(pin[1]).getFileName()), jar);
        }
    }

    private static byte[] fetch(HttpClient client, String path) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(CENTRAL + path)).timeout(WITHIN).build();
        for (int attempt = 1;; attempt++) {
            try {
                var answer = client.send(request, BodyHandlers.ofByteArray());
                if (answer.statusCode() == 200) {
                    return answer.body();
                }
                throw new java.io.IOException(path + ": status " + answer.statusCode());
            } catch (java.io.IOException error) {
                if (attempt == ATTEMPTS_MAX) {
                    throw error;
                }
            }
        }
    }
}
