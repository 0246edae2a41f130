import Foundation

/// The resources of a target of this package where the program is installed: the prefix whose `bin` has the program has
/// them in `share/anytime-nas`. `nil` elsewhere: resources are then beside the program or where it was built, and
/// `Bundle.module` finds them.
package func installedResources(of target: String) -> Bundle? {
  let prefix = Bundle.main.bundleURL.deletingLastPathComponent()
  return Bundle(path: prefix.appending(path: "share/anytime-nas/AnytimeNAS_\(target).resources").path)
}
