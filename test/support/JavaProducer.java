import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import java.util.Scanner;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own producer, told by lines what to do: test/support/java-producer.ts. Properties are arguments as name=value. A line is
 * begin, commit, abort or flush; or "send", topic, partition, key, value, and a name and a value for each header, separated by
 * spaces, the last ones in base64, and "~" for null.
 */
public class JavaProducer {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    for (String arg : args) properties.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8)) {
      if (properties.containsKey("transactional.id")) producer.initTransactions();
      while (lines.hasNextLine()) {
        String[] words = lines.nextLine().split(" ");
        switch (words[0]) {
          case "begin" -> producer.beginTransaction();
          case "commit" -> producer.commitTransaction();
          case "abort" -> {
            producer.flush();
            producer.abortTransaction();
          }
          case "flush" -> producer.flush();
          default -> {
            List<Header> headers = new ArrayList<>();
            for (int i = 5; i < words.length; i += 2)
              headers.add(new RecordHeader(new String(bytes(words[i]), StandardCharsets.UTF_8), bytes(words[i + 1])));
            sent.add(producer.send(
                new ProducerRecord<>(words[1], Integer.parseInt(words[2]), bytes(words[3]), bytes(words[4]), headers)));
          }
        }
      }
      producer.flush();
      for (Future<RecordMetadata> one : sent) one.get();
    }
  }

  private static byte[] bytes(String word) {
    return word.equals("~") ? null : Base64.getDecoder().decode(word.substring(1));
  }
}
