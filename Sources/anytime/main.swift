import AnytimeCommandLine

await runCommandLine()
