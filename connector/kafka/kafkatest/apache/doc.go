// Package apache runs Apache Kafka as one KRaft node (broker and controller in one JVM) for tests and benchmarks: the judge
// beside kfake, never a part of the product.
//
// The jars come from Maven by the pom in this folder and are cached (package jvm). A broker has its own ports (free ones) and
// data folder, a small heap (ready in about 3 s, some 200 MB), and dies with the process that started it (on Linux by
// Pdeathsig, also when that process is killed).
//
// It needs java (17 or newer) and mvn; [Missing] names what is not there.
package apache
