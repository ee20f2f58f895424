// Reads "FAMILY private|public BASE64" a line, as Java applications read DER in base64, and prints each key as Java writes it.

import java.security.KeyFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.Scanner;

class Reads {
  public static void main(String[] given) throws Exception {
    var lines = new Scanner(System.in);
    while (lines.hasNextLine()) {
      var words = lines.nextLine().split(" ");
      var der = Base64.getDecoder().decode(words[2]);
      var factory = KeyFactory.getInstance(words[0]);
      var key =
          words[1].equals("private")
              ? factory.generatePrivate(new PKCS8EncodedKeySpec(der))
              : factory.generatePublic(new X509EncodedKeySpec(der));
      System.out.println(Base64.getEncoder().encodeToString(key.getEncoded()));
    }
  }
}
