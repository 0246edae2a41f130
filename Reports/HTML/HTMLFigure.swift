/// A plot with its controls, its caption, and the numbers behind it in a table.
struct HTMLFigure {
  let plot: VegaPlot
  /// Alternative text.
  let label: String
  let caption: HTML
  /// The lines' names with their swatches, in order.
  let lines: [(label: String, swatch: HTML)]
  /// The units of the horizontal axis and of values, after a number.
  let units: (x: String, y: String)
  /// The tables behind it.
  let tables: [HTMLTable]

  /// - Parameter isLive: Whether the plot can be drawn.
  func html(isLive: Bool) throws(ReportError) -> HTML {
    let values: HTML = """
      <details class="values" open="">
      <summary>The numbers in \(tables.count == 1 ? "a table" : "tables")</summary>
      \(tables.map(\.html))</details>

      """
    guard isLive else { return "<figure>\n<figcaption>\(caption)</figcaption>\n\(values)</figure>\n" }
    // An attribute cannot hold every label as it is: boxes go by their number.
    let labels = HTML.json(try JSONValue.texts(lines.map(\.label)).text())
    let legend = lines.enumerated().map { number, line -> HTML in
      """
      <li><label><input type="checkbox" value="\(number)" checked="" /> \(line.swatch) \
      <span>\(line.label)</span> <output></output></label></li>

      """
    }
    return """
      <figure class="plot">
      <script type="application/json">\(HTML.json(plot.json))</script>
      <div class="live" hidden="">
      <div class="controls">
      \(controls)</div>
      <div class="drawing" role="img" aria-label="\(label)"></div>
      <label class="reading">Values at <output data-unit="\(units.x)" data-measure="\(units.y)"></output>
      <input type="range" min="0" max="200" value="200" aria-label="Read the values at this amount" /></label>
      <fieldset><legend>Lines shown</legend><ul class="legend" data-labels='\(labels)'>
      \(legend)</ul></fieldset>
      </div>
      <figcaption>\(caption)</figcaption>
      \(values)</figure>

      """
  }

  private static func checked(_ isChecked: Bool) -> HTML { isChecked ? " checked=\"\"" : "" }

  private var controls: [HTML] {
    let selects = plot.choices.filter { $0.options.count > 1 }.map { choice -> HTML in
      let options = choice.options.enumerated().map { index, option -> HTML in
        "<option\(index == 0 ? " selected=\"\"" as HTML : "")>\(option)</option>"
      }
      return "<label>\(choice.title) <select data-signal=\"\(choice.signal)\">\(options)</select></label>\n"
    }
    let band: HTML =
      plot.hasBands
      ? "<label><input type=\"checkbox\" data-signal=\"band\"\(Self.checked(plot.chart.showsBands)) /> bands</label>\n"
      : ""
    let boxes = plot.logarithmicAxes.map { axis -> HTML in
      """
      <label><input type="checkbox" data-log="\(axis)" checked="" /> logarithmic \(axis == "x" ? "budget" : "regret")\
      </label>

      """
    }
    return selects + [band] + boxes
  }
}
