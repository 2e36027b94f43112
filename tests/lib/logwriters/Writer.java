// SPDX-License-Identifier: Apache-2.0
// Writer FILE|- THREADS LINES: as writer.c, in Java.
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

public class Writer {
    static OutputStream out;
    static int count;

    static void put(String text) throws Exception {
        out.write(text.getBytes(StandardCharsets.UTF_8));
    }

    static void run() {
        try (DatagramSocket sink = new DatagramSocket(0, InetAddress.getLoopbackAddress());
                DatagramSocket s = new DatagramSocket()) {
            s.connect(sink.getLocalSocketAddress());
            String self = Files.readSymbolicLink(Path.of("/proc/thread-self")).toString();
            String tid = self.substring(self.lastIndexOf('/') + 1);
            for (int n = 0; n < count; n++) {
                s.send(new DatagramPacket(new byte[n + 1], n + 1));
                if (n % 10 == 7) {
                    put("2026-11-25 00:00:00,000 ERROR java tid=" + tid + " n=" + n + " text\n");
                    put("java.lang.IllegalStateException: broken\n");
                    put("\tat a.B.c(B.java:1)\n");
                    put("Caused by: java.io.IOException: gone\n");
                    put("\t... 2 more\n");
                    continue;
                }
                String text = n % 25 == 24 ? String.format("%0" + (n / 25 % 2 == 0 ? 3000 : 9000) + "d", n) : "text";
                String line = "java tid=" + tid + " n=" + n + " " + text + "\n";
                int third = line.length() / 3;
                if (n % 10 == 3) {
                    put(line.substring(0, third));
                    put(line.substring(third, 2 * third));
                    put(line.substring(2 * third));
                } else {
                    put(line);
                }
            }
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(3);
        }
    }

    public static void main(String[] args) throws Exception {
        out = args[0].equals("-") ? new FileOutputStream(FileDescriptor.out) : new FileOutputStream(args[0], true);
        count = Integer.parseInt(args[2]);
        Thread[] threads = new Thread[Integer.parseInt(args[1])];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = new Thread(Writer::run);
            threads[i].start();
        }
        for (Thread t : threads)
            t.join();
    }
}
