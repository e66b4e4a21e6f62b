"""Run in QGIS' own Python: in_qgis.py PLUGINS COMMAND TASK ARGUMENTS. The last line printed is the result, as JSON.

Not a test: test_in_qgis.py calls it.
"""

import json
import sys

sys.path[:0] = [sys.argv[1], '/usr/share/qgis/python/plugins']

from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsLayerNotesUtils,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)


class Feedback(QgsProcessingFeedback):
    """Collect what is reported; cancel at a share of the progress, if told to."""

    def __init__(self, cancel_at=None):
        super().__init__(False)
        self.errors, self.shares = [], []
        if cancel_at is not None:
            self.progressChanged.connect(lambda share: share >= cancel_at and self.cancel())
        self.progressChanged.connect(self.shares.append)

    def reportError(self, error, fatalError=False):
        """Keep an error."""
        self.errors.append(error)


def run(algorithm, parameters, context=None, **options):
    """Run an algorithm, as the batch dialog does; return its results, or None, and its errors."""
    feedback = Feedback(**options)
    found = QgsApplication.processingRegistry().algorithmById(f'schanger:{algorithm}').create()
    context = context or QgsProcessingContext()
    results, done = found.run(parameters, context, feedback)
    return (results if done else None), feedback


def names():
    """List the algorithms with their parameters and help, and the networks that the dialog accepts."""
    found = QgsApplication.processingRegistry().providerById('schanger').algorithms()
    model = QgsApplication.processingRegistry().algorithmById('schanger:detectchanges').parameterDefinition('MODEL')
    networks = ('levir-base', 'hf://ORG/NAME', '/a b/net.onnx', '')
    accepted = [model.checkValueIsAcceptable(network, QgsProcessingContext()) for network in networks]
    listed = {algorithm.id(): [[one.name() for one in algorithm.parameterDefinitions()],
                               algorithm.shortHelpString()[:3]] for algorithm in found}
    return listed, accepted


def batch(rows):
    """Run several pairs, one after the other."""
    answers = [run('detectchanges', row) for row in rows]
    return [[results, feedback.errors] for results, feedback in answers]


def modeler(before, after, model):
    """Run a model of two steps, as the modeler makes it: detect changes, and the centroids of the polygons."""
    source = QgsProcessingModelChildParameterSource
    whole = QgsProcessingModelAlgorithm('two dates', 'test')
    for name in ('earlier', 'later'):
        whole.addModelParameter(QgsProcessingParameterRasterLayer(name, name), QgsProcessingModelParameter(name))
    first = QgsProcessingModelChildAlgorithm('schanger:detectchanges')
    first.setChildId('detect')
    first.addParameterSources('BEFORE', [source.fromModelParameter('earlier')])
    first.addParameterSources('AFTER', [source.fromModelParameter('later')])
    first.addParameterSources('MODEL', [source.fromStaticValue(model)])
    whole.addChildAlgorithm(first)
    second = QgsProcessingModelChildAlgorithm('native:centroids')
    second.setChildId('centroids')
    second.addParameterSources('INPUT', [source.fromChildOutput('detect', 'CHANGES')])
    whole.addChildAlgorithm(second)
    feedback, context = Feedback(), QgsProcessingContext()
    context.setProject(QgsProject.instance())
    results, done = whole.run(dict(earlier=before, later=after), context, feedback)
    steps = results.get('CHILD_RESULTS', {}) if done else {}
    points = context.getMapLayer(steps['centroids']['OUTPUT']) if 'centroids' in steps else None
    return dict(errors=feedback.errors, changes=steps.get('detect', {}).get('COUNT'),
                points=points and points.featureCount())


def cancel(parameters):
    """Run, cancel when the first of four blocks is done, and run again."""
    first, feedback = run('detectchanges', parameters, cancel_at=40)
    shares = feedback.shares
    second, again = run('detectchanges', parameters)
    return dict(first=first, errors=feedback.errors, shares=shares, second=second, later=again.errors)


def environment(parameters):
    """Make an environment; return what it is, the errors, and the command of the settings."""
    from schanger_changes import settings
    results, feedback = run('makeenvironment', parameters)
    return dict(results=results, errors=feedback.errors, command=settings.command())


def load(parameters):
    """Run with layers of a project, and load the results as the dialog of QGIS does."""
    from processing.gui.Postprocessing import handleAlgorithmResults
    project = QgsProject.instance()
    for name in ('BEFORE', 'AFTER'):
        project.addMapLayer(QgsRasterLayer(parameters[name], f'map {name.lower()}'))
    context = QgsProcessingContext()
    context.setProject(project)
    _, feedback = run('detectchanges', parameters, context)
    handleAlgorithmResults(QgsApplication.processingRegistry().algorithmById('schanger:detectchanges'), context,
                           feedback, parameters=parameters)
    group = next(child for child in project.layerTreeRoot().children() if hasattr(child, 'findLayers'))
    layers = [node.layer() for node in group.findLayers()]
    return dict(group=group.name(), errors=feedback.errors, layers=[dict(
        name=layer.name(), renderer=layer.renderer().type(), notes=QgsLayerNotesUtils.layerNotes(layer))
        for layer in layers])


def refused(folder, model):
    """Give layers that are no files: WMS, a part of a container, one in another CRS; return errors and results."""
    wms = QgsRasterLayer('url=http://127.0.0.1:9/&layers=a&styles=&format=image/png&crs=EPSG:3857', 'a map', 'wms')
    from schanger_changes.layers import raster_of
    try:
        raster_of(wms)
        said = ''
    except Exception as error:
        said = str(error)
    from osgeo import gdal
    inside = []
    for name in ('2019', '2023'):
        path = f'{folder}/{name}.gpkg'
        gdal.Translate(path, f'{folder}/{name}.tif', format='GPKG',
                       creationOptions=['RASTER_TABLE=tiles', 'TILE_FORMAT=PNG'])
        inside.append(f'GPKG:{path}:tiles')
    memory = []
    for name in ('2019', '2023'):
        gdal.Translate(f'/vsimem/{name}.tif', f'{folder}/{name}.tif')
        memory.append(f'/vsimem/{name}.tif')
    plain = [f'{folder}/{name}.tif' for name in ('2019', '2023')]
    pairs = [[QgsRasterLayer(path, f'{name} {date}') for date, path in enumerate(paths)]
             for name, paths in (('inside', inside), ('memory', memory), ('moved', plain))]
    for layer in pairs[-1]:
        layer.setCrs(QgsCoordinateReferenceSystem('EPSG:32615'))
    answers = [run('detectchanges', dict(BEFORE=before, AFTER=after, MODEL=model)) for before, after in pairs]
    crs = [results and QgsRasterLayer(results['CHANGE'], 'x').crs().authid() for results, _ in answers]
    return dict(wms=said, crs=crs, exported=[[results and results['COUNT'], feedback.errors]
                                             for results, feedback in answers])


def polygons(path):
    """Count the polygons of a file and name the renderer of the plugin's style for a layer with kinds."""
    from schanger_changes.results import finish
    layer = QgsVectorLayer('MultiPolygon?field=kind:string', 'x', 'memory')
    finish(layer, 'Changes', 'notes', Feedback())
    return dict(count=QgsVectorLayer(path, 'x').featureCount(), renderer=layer.renderer().type(),
                categories=[category.value() for category in layer.renderer().categories()])


def main():
    """Start QGIS with the provider and do one task."""
    QgsApplication.setPrefixPath('/usr', True)
    app = QgsApplication([], False)
    app.initQgis()
    from processing.core.Processing import Processing
    Processing.initialize()
    import schanger_changes
    plugin = schanger_changes.classFactory(None)
    plugin.initProcessing()
    from schanger_changes import settings
    settings.set_command(sys.argv[2])
    answer = globals()[sys.argv[3]](**json.loads(sys.argv[4]))
    print(json.dumps(answer), flush=True)
    plugin.unload()
    QgsProject.instance().clear()
    app.exitQgis()


main()
