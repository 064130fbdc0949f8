// A Tomcat with Jolokia's own servlet, a pool of threads and one of connections, for the tests of `jmx`.
// Arguments: port, directory, user's password ("" for no login), policy file ("" for none), connections in use.

import java.io.File;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.util.ArrayList;
import java.util.List;
import javax.management.ObjectName;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.dbcp.dbcp2.BasicDataSource;
import org.apache.tomcat.util.descriptor.web.LoginConfig;
import org.apache.tomcat.util.descriptor.web.SecurityCollection;
import org.apache.tomcat.util.descriptor.web.SecurityConstraint;
import org.apache.tomcat.util.modeler.Registry;

public class JolokiaServer {
    static List<Connection> held = new ArrayList<>();

    public static void main(String[] given) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(given[1]);
        tomcat.setPort(Integer.parseInt(given[0]));
        tomcat.getEngine().setName("Catalina");
        tomcat.getConnector().setProperty("maxThreads", "8");
        tomcat.getConnector().setProperty("minSpareThreads", "2");
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addContext("/jolokia", new File(given[1]).getAbsolutePath());
        Wrapper servlet = Tomcat.addServlet(context, "agent", "org.jolokia.http.AgentServlet");
        servlet.addInitParameter("dispatcherClasses", "");
        servlet.addInitParameter("discoveryEnabled", "false");
        if (!given[3].isEmpty()) {
            servlet.addInitParameter("policyLocation", new File(given[3]).toURI().toString());
        }
        context.addServletMappingDecoded("/*", "agent");
        if (!given[2].isEmpty()) {
            protect(tomcat, context, given[2]);
        }
        tomcat.start();
        pool(Integer.parseInt(given[4]));
        collect();
        tomcat.getServer().await();
    }

    /** Collects old objects. The JVM skips a request for that while another collection takes place. */
    static void collect() throws InterruptedException {
        do {
            System.gc();
            Thread.sleep(50);
        } while (ManagementFactory.getMemoryPoolMXBeans().stream()
            .filter(pool -> pool.getName().matches(".*(Old|Tenured).*"))
            .noneMatch(pool -> pool.getCollectionUsage().getUsed() > 0));
    }

    static void protect(Tomcat tomcat, Context context, String password) {
        tomcat.addUser("monitor", password);
        tomcat.addRole("monitor", "jolokia");
        SecurityCollection all = new SecurityCollection();
        all.addPattern("/*");
        SecurityConstraint constraint = new SecurityConstraint();
        constraint.addAuthRole("jolokia");
        constraint.addCollection(all);
        context.addSecurityRole("jolokia");
        context.addConstraint(constraint);
        context.setLoginConfig(new LoginConfig("BASIC", "jolokia", null, null));
        context.getPipeline().addValve(new org.apache.catalina.authenticator.BasicAuthenticator());
    }

    static void pool(int used) throws Exception {
        DriverManager.registerDriver((Driver) stub(Driver.class));
        BasicDataSource source = new BasicDataSource();
        source.setDriver((Driver) stub(Driver.class));
        source.setUrl("jdbc:stub:");
        source.setMaxTotal(4);
        for (int number = 0; number < used; number++) {
            held.add(source.getConnection());
        }
        ObjectName name = new ObjectName(
            "Catalina:type=DataSource,host=localhost,context=/app,class=javax.sql.DataSource,name=\"jdbc/app\"");
        Registry.getRegistry(null, null).registerComponent(source, name, null);
    }

    static Object stub(Class<?> kind) {
        InvocationHandler answers = (proxy, method, arguments) -> {
            Class<?> wanted = method.getReturnType();
            if (method.getName().equals("isValid") || method.getName().equals("acceptsURL")) return true;
            if (method.getName().equals("hashCode")) return System.identityHashCode(proxy);
            if (method.getName().equals("equals")) return proxy == arguments[0];
            if (method.getName().equals("toString")) return "stub";
            if (wanted == boolean.class) return method.getName().equals("getAutoCommit");
            if (wanted == int.class) return 0;
            return wanted.isInterface() && wanted.getName().startsWith("java.sql.") && wanted != java.sql.SQLWarning.class
                ? stub(wanted) : null;
        };
        return Proxy.newProxyInstance(JolokiaServer.class.getClassLoader(), new Class<?>[] {kind}, answers);
    }
}
