// swift-tools-version: 6.2
import PackageDescription

// Debian's libtorch needs no flags. A newer one (CUDA, say) is used from its own folder:
//     ANYTIME_LIBTORCH=/opt/libtorch swift build -c release --product AnytimeTorch
// With 'none', nothing of the package needs libtorch, and nothing of it trains networks.
let libtorch = Context.environment["ANYTIME_LIBTORCH"]
let torchFlags: (cxx: [CXXSetting], linker: [LinkerSetting]) =
  if let libtorch {
    (
      [
        .unsafeFlags(["-std=c++20", "-I\(libtorch)/include", "-I\(libtorch)/include/torch/csrc/api/include"])
      ],
      [.unsafeFlags(["-L\(libtorch)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(libtorch)/lib"])]
    )
  } else {
    ([], [])
  }
let trains = libtorch != "none"

let package = Package(
  name: "AnytimeNAS",
  products: [
    .library(name: "Anytime", targets: ["Anytime", "TabularBenchmark", "SearchSpaces", "Statistics"]),
    .library(name: "OptimizerConformance", targets: ["OptimizerConformance"]),
    .library(name: "Blackbox", targets: ["Blackbox"]),
    .library(name: "OneShot", targets: ["OneShot", "Supernet"]),
    .library(name: "Composed", targets: ["Composed"]),
    .library(name: "External", targets: ["External"]),
    .library(name: "Experiments", targets: ["Experiments"]),
    .library(name: "Reports", targets: ["Reports"]),
    .library(name: "AnytimeCommandLine", targets: ["AnytimeCommandLine"]),
    .executable(name: "anytime", targets: ["anytime"]),
  ]
    // Loaded by the program when the first network is trained.
    + (trains ? [.library(name: "AnytimeTorch", type: .dynamic, targets: ["AnytimeTorch"])] : []),
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    // A command, './anytime docs': nothing of it is compiled with the package.
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    // System libraries
    .systemLibrary(name: "CGSL", pkgConfig: "gsl", providers: [.apt(["libgsl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    // Architectures, search spaces, statistics
    .target(name: "Statistics", dependencies: ["CGSL"]),
    .target(name: "SearchSpaces", dependencies: ["Statistics"]),

    // Tables: no libtorch here
    .target(
      name: "TabularBenchmark",
      dependencies: ["SearchSpaces", "Statistics", "CZlib", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["ModelMetrics.proto"],
      resources: [.copy("Resources/embedded.table")]),

    // Networks: trained on libtorch, of which nothing is linked
    .target(name: "CTorch"),
    .target(name: "Tensor", dependencies: ["CTorch"]),
    .target(name: "CellNetworks", dependencies: ["Tensor", "SearchSpaces", "Statistics", "CZlib"]),
    .target(name: "TableBuilder", dependencies: ["CellNetworks", "TabularBenchmark"]),

    // Optimizer, settings, session, account, ledger, policy, trajectory
    .target(name: "Anytime", dependencies: ["TabularBenchmark", "SearchSpaces", "Statistics"]),
    .target(
      name: "OptimizerConformance", dependencies: ["Anytime", "TabularBenchmark", "SearchSpaces", "Statistics"]),

    // Experiment files, runner, run store
    .target(
      name: "Experiments",
      dependencies: [
        "Anytime", "TabularBenchmark", "SearchSpaces",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
        .product(name: "Yams", package: "Yams"),
      ]),

    // Methods: one file each
    .target(
      name: "Blackbox", dependencies: ["Anytime", "SearchSpaces", "Statistics"],
      path: "Optimizers/Blackbox"),

    // The weight-sharing network, opened with a session, and the methods that search with it
    .target(
      name: "Supernet",
      dependencies: ["Anytime", "CellNetworks", "TabularBenchmark", "SearchSpaces", "Statistics", "Tensor"]),
    .target(
      name: "OneShot", dependencies: ["Supernet", "Anytime", "SearchSpaces", "Statistics", "Tensor"],
      path: "Optimizers/OneShot"),

    .target(
      name: "Composed", dependencies: ["Anytime", "SearchSpaces"],
      path: "Optimizers/Composed"),

    // Methods in other languages: messages, and processes that write them
    .target(
      name: "External", dependencies: ["Anytime", "SearchSpaces"],
      path: "Optimizers/External"),

    // Curves, exports, plots
    .target(
      name: "Reports",
      dependencies: [
        "Experiments", "Anytime", "TabularBenchmark", "SearchSpaces", "Statistics",
        .product(name: "Subprocess", package: "swift-subprocess"),
      ], path: "Reports",
      resources: [.copy("Resources")]),

    // The command line, also for programs with methods of their own
    .target(
      name: "AnytimeCommandLine",
      dependencies: [
        "Blackbox", "OneShot", "Composed", "External", "Supernet", "TableBuilder", "Tensor", "Reports", "Experiments",
        "Anytime", "OptimizerConformance", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(name: "anytime", dependencies: ["AnytimeCommandLine"]),

    // Tests, a target per layer
    .target(name: "TestSupport", dependencies: ["Statistics"], path: "Tests/TestSupport"),
    .testTarget(name: "StatisticsTests", dependencies: ["Statistics"]),
    .testTarget(
      name: "SearchSpacesTests",
      dependencies: ["SearchSpaces", .product(name: "Crypto", package: "swift-crypto")]),
    .testTarget(name: "TabularBenchmarkTests", dependencies: ["TabularBenchmark"]),
    .testTarget(
      name: "CellNetworksTests",
      dependencies: ["CellNetworks", "TableBuilder", "TestSupport", "SearchSpaces", "CZlib"]),
    .testTarget(name: "AnytimeTests", dependencies: ["Anytime", "Blackbox", "OptimizerConformance"]),
    .testTarget(
      name: "ExperimentsTests",
      dependencies: [
        "Experiments", "Anytime", "Blackbox", "OneShot", "OptimizerConformance", "SearchSpaces", "TabularBenchmark",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      resources: [.copy("Resources/store-0.1")]),
    .testTarget(
      name: "BlackboxTests",
      dependencies: ["Blackbox", "Anytime", "Experiments", "OptimizerConformance", "Statistics"]),
    .testTarget(
      name: "OneShotTests",
      dependencies: [
        "OneShot", "Supernet", "Anytime", "Experiments", "OptimizerConformance", "TestSupport",
      ],
      resources: [.copy("Resources/supernet-golden.json")]),
    .testTarget(
      name: "ComposedTests",
      dependencies: [
        "Composed", "Blackbox", "OneShot", "Supernet", "Anytime", "Experiments", "OptimizerConformance", "SearchSpaces",
        "TabularBenchmark",
      ]),
    .testTarget(
      name: "ExternalTests",
      dependencies: [
        "External", "Blackbox", "Composed", "Anytime", "Experiments", "OptimizerConformance", "SearchSpaces",
        "TabularBenchmark",
      ]),
    .testTarget(name: "ReportsTests", dependencies: ["Reports", "TestSupport"]),
    .testTarget(
      name: "MutationTests",
      dependencies: [
        "TestSupport", "Anytime", "Experiments", "Blackbox", "OptimizerConformance", "Reports", "TabularBenchmark",
      ]),
    .testTarget(name: "CommandLineTests", dependencies: ["anytime", "Blackbox", "OptimizerConformance", "TestSupport"]),
  ]
    // libtorch behind CTorch's table of functions: a library of its own, without Swift
    + (trains
      ? [
        .target(
          name: "AnytimeTorch",
          cxxSettings: [.headerSearchPath("../CTorch/include")] + torchFlags.cxx,
          linkerSettings: [.linkedLibrary("torch_cpu"), .linkedLibrary("c10")] + torchFlags.linker)
      ] : []),
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)

// A member can be used where its module is imported by name, and nowhere else: a file's imports say what it may touch.
for target in package.targets where target.type != .system {
  target.swiftSettings = (target.swiftSettings ?? []) + [.enableUpcomingFeature("MemberImportVisibility")]
}
