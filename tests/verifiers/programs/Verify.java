// Reads a token a line, and says of each whether Nimbus JOSE + JWT accepts it: java Verify.java URL [SECONDS].

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;

class Verify {
  public static void main(String[] given) throws Exception {
    var builder = JWKSourceBuilder.<SecurityContext>create(URI.create(given[0]).toURL());
    if (given.length > 1) {
      long cached = (long) (Double.parseDouble(given[1]) * 1000);
      builder = builder.cache(cached, 1000).refreshAheadCache(false).rateLimited(500);
    }
    JWKSource<SecurityContext> keys = builder.build();
    var processor = new DefaultJWTProcessor<SecurityContext>();
    processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String token = lines.readLine(); token != null; token = lines.readLine()) {
      try {
        processor.process(token, null);
        System.out.println("accepted");
      } catch (Exception error) {
        System.out.println("refused: " + String.valueOf(error.getMessage()).replace('\n', ' '));
      }
    }
    System.exit(0); // its threads that refresh ahead would go on
  }
}
