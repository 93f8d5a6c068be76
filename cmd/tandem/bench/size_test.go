package bench

func stopServers() {}
